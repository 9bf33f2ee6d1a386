//! `config`: what `[config]` of `vega.toml` says, as values of the type that the program wants.

use serde_json::Value as Json;
use vega_bytecode::{Type, kinds};
use vega_runtime::native::{NativeContext, NativeTable};
use vega_runtime::value::{Value, is_type, json};

use crate::arguments::{error, invalid, text};

/// The table: an extension of the runtime. Without one it is empty.
#[derive(Clone, Debug, Default)]
pub struct ConfigTable(Json);

impl ConfigTable {
    /// A table of settings: an object.
    pub fn new(table: Json) -> ConfigTable {
        ConfigTable(table)
    }

    /// The setting of a key, whose parts have points between them.
    fn find(&self, key: &str) -> Option<&Json> {
        key.split('.').try_fold(&self.0, |table, part| table.as_object()?.get(part))
    }
}

pub(crate) fn register(table: &mut NativeTable) {
    table.add("config::get", 1, |context, arguments| {
        let key = text(arguments, 0)?;
        let ty = context.result_type().ok_or_else(|| invalid("the wanted type is not known"))?;
        let module = context.module();
        let Some(found) = find(context, key) else {
            // A setting that may be absent is null.
            return match &module.types[ty] {
                Type::Optional(_) => Ok(Value::NULL.into()),
                _ => Err(error(kinds::KEY_NOT_FOUND, format!("`{key}` is not set in [config] of vega.toml"))),
            };
        };
        let read = json::parse(&found).map_err(|problem| invalid(problem.to_string()))?;
        json::decode(&read, ty, module).map(Into::into).map_err(|problems| {
            let wanted = is_type::type_name(ty, module);
            invalid(format!("`{key}` in [config] of vega.toml is no {wanted}: {}", json::problems_text(&problems)))
        })
    });
    table.add("config::has", 1, |context, arguments| Ok(Value::bool(find(context, text(arguments, 0)?).is_some()).into()));
}

/// The JSON text of a setting.
fn find(context: &NativeContext<'_>, key: &str) -> Option<String> {
    Some(context.extension::<ConfigTable>()?.find(key)?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_points_goes_into_tables() {
        let table = ConfigTable::new(serde_json::json!({ "server": { "port": 80 }, "name": "x" }));
        assert_eq!(table.find("server.port"), Some(&Json::from(80)));
        assert_eq!(table.find("name"), Some(&Json::from("x")));
        assert_eq!(table.find("name.port"), None);
        assert_eq!(table.find("port"), None);
    }
}
