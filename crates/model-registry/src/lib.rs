//! MLflow registry client: versions, stages, aliases, provenance.
