//! The rules of the metrics collector.

use crate::FieldError;
use crate::experiment::{CollectorKind, FileFormat, FileSystemKind, MetricsCollectorSpec};
use crate::names::check_known;

pub(super) fn check_collector(spec: Option<&MetricsCollectorSpec>, errors: &mut Vec<FieldError>) {
    const AT: &str = "spec.metricsCollectorSpec";
    let Some(spec) = spec else { return };
    let kind = spec
        .collector
        .as_ref()
        .and_then(|collector| collector.kind.as_ref());
    let path = spec
        .source
        .as_ref()
        .and_then(|source| source.file_system_path.as_ref());
    let filter = spec.source.as_ref().and_then(|source| source.filter.as_ref());
    match kind {
        Some(CollectorKind::File) => {
            // Upstream's defaulting fills in what is absent; what is there must fit.
            let Some(path) = path else { return };
            if path.path.as_deref().is_some_and(|path| !path.starts_with('/')) {
                errors.push(FieldError::new(
                    format!("{AT}.source.fileSystemPath.path"),
                    "must be absolute",
                ));
            }
            if path
                .kind
                .as_ref()
                .is_some_and(|kind| *kind != FileSystemKind::File)
            {
                errors.push(FieldError::new(
                    format!("{AT}.source.fileSystemPath.kind"),
                    "must be File",
                ));
            }
            if let Some(format) = &path.format {
                let field = format!("{AT}.source.fileSystemPath.format");
                check_known(&field, format.as_str(), FileFormat::KNOWN, errors);
                if *format == FileFormat::Json && filter.is_some() {
                    errors.push(FieldError::new(
                        format!("{AT}.source.filter"),
                        "must not be set for a JSON file",
                    ));
                }
            }
        }
        Some(CollectorKind::Custom)
            if spec
                .collector
                .as_ref()
                .is_some_and(|collector| collector.custom_collector.is_none()) =>
        {
            errors.push(FieldError::new(
                format!("{AT}.collector.customCollector"),
                "must be set",
            ));
        }
        Some(kind) => check_known(
            &format!("{AT}.collector.kind"),
            kind.as_str(),
            CollectorKind::KNOWN,
            errors,
        ),
        None => {}
    }
    for (index, format) in filter
        .into_iter()
        .flat_map(|filter| &filter.metrics_format)
        .enumerate()
    {
        let field = format!("{AT}.source.filter.metricsFormat[{index}]");
        match regex::Regex::new(format) {
            Err(error) => errors.push(FieldError::new(
                field,
                format!("{format:?} is not a regular expression: {error}"),
            )),
            Ok(regex) if regex.captures_len() < 3 => {
                errors.push(FieldError::new(
                    field,
                    format!("{format:?} must have two groups: name and value"),
                ));
            }
            Ok(_) => {}
        }
    }
}
