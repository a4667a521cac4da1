//! `tokenfleet schema`: what a scenario may say, for editors and for readers.

use clap::Args;

use super::failure::{FINE, Failure};
use super::terminal::print;
use crate::catalog::Catalog;
use crate::report::schema;

/// What `tokenfleet schema` is told.
#[derive(Args, Clone, Debug)]
pub struct SchemaArguments {
    /// Print a reference of all keys as Markdown instead of the JSON Schema
    #[arg(long)]
    pub reference: bool,
}

/// Prints the schema: the exit code.
///
/// # Errors
/// When the output cannot be written.
pub fn run(arguments: &SchemaArguments) -> Result<u8, Failure> {
    let catalog = Catalog::embedded();
    let text = match arguments.reference {
        true => schema::reference(&catalog),
        false => serde_json::to_string_pretty(&schema::json(&catalog))? + "\n",
    };
    print(&text).map(|()| FINE)
}
