//! Packages as they are uploaded: YAML, or an archive with a YAML file in it
//! (`ReadPipelineFile`, backend/src/apiserver/server/util.go @2.17.0).

use std::io::{Cursor, Read};

use crate::error::ApiError;

/// Largest package, 32 MiB (`MaxFileLength`, backend/src/apiserver/common/const.go @2.17.0), in an archive or not.
pub(crate) const LARGEST: u64 = 32 << 20;
/// Members of an archive that are looked at; one with more is no package.
const MOST_MEMBERS: usize = 1000;
/// The member that is the pipeline. Where there is none of that name, the first one is.
const PIPELINE: &str = "pipeline.yaml";

/// The text of a package.
pub(crate) fn text(file_name: &str, bytes: Vec<u8>) -> Result<String, ApiError> {
    text_within(LARGEST, file_name, bytes)
}

fn text_within(limit: u64, file_name: &str, bytes: Vec<u8>) -> Result<String, ApiError> {
    let wrong = |why: String| ApiError::invalid(format!("{file_name}: {why}"));
    let bytes = if bytes.starts_with(b"PK") {
        from_zip(limit, &bytes).map_err(wrong)?
    } else if bytes.starts_with(&[0x1f, 0x8b]) {
        from_tarball(limit, &bytes).map_err(wrong)?
    } else {
        bytes
    };
    String::from_utf8(bytes).map_err(|_| wrong("not UTF-8".to_owned()))
}

fn from_zip(limit: u64, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let broken = |error: zip::result::ZipError| format!("not a valid zip file: {error}");
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    if archive.len() > MOST_MEMBERS {
        return Err(format!("a package has at most {MOST_MEMBERS} files in it"));
    }
    let place = archive.index_for_name(PIPELINE).unwrap_or(0);
    let file = archive.by_index(place).map_err(broken)?;
    let name = file.name().map_err(broken)?.into_owned();
    is_yaml(&name)?;
    whole(limit, file)
}

fn from_tarball(limit: u64, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let broken = |error: std::io::Error| format!("not a valid tarball: {error}");
    // What is unpacked on the way to the member counts as well.
    let unpacked = flate2::read::GzDecoder::new(bytes).take(2 * limit);
    let mut archive = tar::Archive::new(unpacked);
    let mut first = None;
    for member in archive.entries().map_err(broken)?.take(MOST_MEMBERS) {
        let member = member.map_err(broken)?;
        let name = member.path().map_err(broken)?.to_string_lossy().into_owned();
        if name == PIPELINE {
            return whole(limit, member);
        }
        if first.is_none() {
            first = Some((name.clone(), is_yaml(&name).and_then(|()| whole(limit, member))));
        }
    }
    first.map_or_else(|| Err("there is nothing in it".to_owned()), |(_, read)| read)
}

fn is_yaml(name: &str) -> Result<(), String> {
    if name.ends_with(".yaml") || name.ends_with(".yml") {
        Ok(())
    } else {
        Err(format!(
            "a {PIPELINE} is expected in it, and the first file is {name}"
        ))
    }
}

fn whole(limit: u64, member: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    member
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("the pipeline in it cannot be read: {error}"))?;
    if bytes.len() as u64 > limit {
        return Err(format!("the pipeline in it has more than {limit} bytes"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::io::Write;

    fn zipped(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            archive
                .start_file(*name, zip::write::SimpleFileOptions::default())
                .unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    fn tarball(members: &[(&str, &[u8])]) -> Vec<u8> {
        let packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut archive = tar::Builder::new(packed);
        for (name, bytes) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, name, *bytes).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap()
    }

    fn told(bytes: Vec<u8>) -> Result<String, String> {
        text("p", bytes).map_err(|error| error.status().message)
    }

    const LIMIT: usize = 1 << 16;
    const BOTH: [(&str, &[u8]); 2] = [("readme.txt", b"read"), ("pipeline.yaml", b"a: 1")];

    #[rstest]
    #[case::plain(b"a: 1".to_vec(), Ok("a: 1"))]
    #[case::zip(zipped(&BOTH), Ok("a: 1"))]
    #[case::zip_of_one(zipped(&[("x.yml", b"b: 2")]), Ok("b: 2"))]
    #[case::tarball(tarball(&BOTH), Ok("a: 1"))]
    #[case::tarball_of_one(tarball(&[("x.yaml", b"b: 2")]), Ok("b: 2"))]
    #[case::other_zip(zipped(&[("x.py", b"")]), Err("p: a pipeline.yaml is expected in it, and the first file is x.py"))]
    #[case::other_tarball(
        tarball(&[("x.py", b"")]), Err("p: a pipeline.yaml is expected in it, and the first file is x.py")
    )]
    #[case::empty_tarball(tarball(&[]), Err("p: there is nothing in it"))]
    #[case::no_text(vec![0xff, 0xfe], Err("p: not UTF-8"))]
    fn packages_are_read(#[case] bytes: Vec<u8>, #[case] expected: Result<&str, &str>) {
        assert_eq!(told(bytes), expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[rstest]
    #[case(b"PK\x03\x04rest".to_vec(), "not a valid zip file")]
    #[case(b"\x1f\x8brest".to_vec(), "not a valid tarball")]
    #[case({ let mut cut = tarball(&BOTH); cut.truncate(cut.len() / 2); cut }, "p: ")]
    fn what_is_broken_is_refused(#[case] bytes: Vec<u8>, #[case] why: &str) {
        let refusal = told(bytes).unwrap_err();
        assert!(refusal.contains(why), "{refusal}");
    }

    #[rstest]
    #[case::zip(zipped(&[("pipeline.yaml", &[b'#'; LIMIT + 1])]))]
    #[case::tarball(tarball(&[("pipeline.yaml", &[b'#'; LIMIT + 1])]))]
    #[case::behind_others(tarball(&[("a.yaml", &[b'#'; 3 * LIMIT]), ("pipeline.yaml", b"a: 1")]))]
    fn bombs_are_not_unpacked(#[case] bytes: Vec<u8>) {
        assert!(bytes.len() < LIMIT, "{}", bytes.len());
        let refusal = text_within(LIMIT as u64, "p", bytes)
            .unwrap_err()
            .status()
            .message;
        assert!(refusal.starts_with("p: "), "{refusal}");
    }
}
