//! Serves the resource API of a folder until interrupted, for trying clients by hand:
//! `cargo run -p resource-api --example serve -- FOLDER [PORT]`. The kubeconfig is `FOLDER/kubeconfig`.

use std::path::PathBuf;

use resource_api::ResourceApi;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: serve FOLDER [PORT]")?);
    let port: u16 = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let api = ResourceApi::open(&folder)?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let kubeconfig = folder.join("kubeconfig");
    api.kubeconfig(listener.local_addr()?, "default")
        .write(&kubeconfig)?;
    println!("export KUBECONFIG={}", kubeconfig.display());
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stopped.cancel();
        }
    });
    Ok(api.serve(listener, stop).await?)
}
