//! KFP pipeline IR 2.1 as types and rules.
