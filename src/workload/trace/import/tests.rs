//! Every format: a file as it is, and any mutilation of it.
