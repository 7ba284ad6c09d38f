//! KFP's REST API over the pipeline engine.
