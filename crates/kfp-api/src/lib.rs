//! KFP v2beta1 wire types and client.
