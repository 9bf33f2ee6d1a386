//! The web, as the programs of a run reach it with `http::…`.

use std::sync::Arc;

use vega_net::client::SystemLookup;
use vega_stdlib::Web;

use crate::agents::certificates;
use crate::arguments::RunArguments;
use crate::config::Config;

/// The same certificates and the same proxy as for models.
pub(crate) fn make(arguments: &RunArguments, config: &Config) -> Result<Web, String> {
    Ok(Web::new(certificates(arguments, config)?, config.proxy()?, Arc::new(SystemLookup)))
}
