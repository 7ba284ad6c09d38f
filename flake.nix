{
  description = "basecamp Tier 6: a training lifecycle as one recipe, on a laptop, on kind, on any Kubernetes";

  inputs = {
    nixpkgs.url = "https://releases.nixos.org/nixos/unstable/nixos-26.11pre1066106.3ed67ec0a4d3/nixexprs.tar.xz";
    rust-overlay = {
      url = "github:oxalica/rust-overlay";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    flake-utils.url = "github:numtide/flake-utils";
  };

  outputs =
    {
      self,
      nixpkgs,
      rust-overlay,
      flake-utils,
    }:
    # Ray, KServe's server library and Traefik's binary come as wheels for these two.
    flake-utils.lib.eachSystem [ "x86_64-linux" "aarch64-linux" ] (
      system:
      let
        pkgs = import nixpkgs {
          inherit system;
          overlays = [ rust-overlay.overlays.default ];
        };

        workspace = (builtins.fromTOML (builtins.readFile ./Cargo.toml)).workspace.package;
        toolchain = pkgs.rust-bin.stable.latest.default.override {
          extensions = [ "rust-src" ];
        };
        rustPlatform = pkgs.makeRustPlatform {
          cargo = toolchain;
          rustc = toolchain;
        };

        # One derivation a program, so that `nix run .#mlship` does not wait for the daemon.
        program =
          name:
          rustPlatform.buildRustPackage {
            pname = name;
            inherit (workspace) version;
            src = self;
            cargoLock.lockFile = ./Cargo.lock;
            cargoBuildFlags = [ "--package" name ];
            # The tests drive real services; `cargo xtask test` runs them.
            doCheck = false;
            meta.mainProgram = name;
          };

        programs = pkgs.lib.genAttrs [ "basecampd" "platform-ctl" "mlship" ] program;
      in
      {
        packages = programs // {
          default = programs.platform-ctl;
        };

        apps = builtins.mapAttrs (name: package: {
          type = "app";
          program = "${package}/bin/${name}";
        }) programs;

        devShells.default = pkgs.mkShell {
          packages = [
            toolchain
            pkgs.python312
            pkgs.uv
            pkgs.git
            pkgs.cargo-deny
            # The kind rung.
            pkgs.kind
            pkgs.kubectl
            pkgs.kustomize
          ];
          # uv takes the shell's Python instead of fetching one.
          UV_PYTHON_DOWNLOADS = "never";
        };
      }
    );
}
