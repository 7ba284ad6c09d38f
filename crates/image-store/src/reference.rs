//! Image references, as packages write them.

/// An image reference, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference<'a> {
    /// Repository without `docker.io/` and `library/`.
    pub(crate) name: &'a str,
    /// Tag; `None` where only a digest is given, or nothing.
    pub(crate) tag: Option<&'a str>,
}

impl<'a> Reference<'a> {
    pub(crate) fn parse(image: &'a str) -> Self {
        let image = image.split_once('@').map_or(image, |(named, _)| named);
        // A colon before a slash is a port's.
        let (name, tag) = match image.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (image, None),
        };
        let name = ["docker.io/", "index.docker.io/"]
            .iter()
            .find_map(|registry| name.strip_prefix(registry))
            .unwrap_or(name);
        Self {
            name: name.strip_prefix("library/").unwrap_or(name),
            tag,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("python:3.11", "python", Some("3.11"))]
    #[case("docker.io/library/python:3.11-slim", "python", Some("3.11-slim"))]
    #[case("library/bash", "bash", None)]
    #[case("localhost:5000/a/b", "localhost:5000/a/b", None)]
    #[case("x/y:1@sha256:0123", "x/y", Some("1"))]
    fn a_reference_is_taken_apart(#[case] image: &str, #[case] name: &str, #[case] tag: Option<&str>) {
        assert_eq!(Reference::parse(image), Reference { name, tag });
    }
}
