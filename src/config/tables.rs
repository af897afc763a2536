//! The declaration of tables, from which come their struct, their reading, their known keys and their JSON Schema.

/// Declares tables of a TOML file: their struct, how they are read, their known keys and their JSON Schema.
///
/// ```text
/// tables! {
///     /// What the table is for.
///     pub struct SiteTable, unknown keys Refused {
///         /// What the key says; must be there.
///         must id: Name;
///         /// May be left out; what then holds is for the reader of the schema.
///         may node: Name = "the host's name";
///     }
/// }
/// ```
macro_rules! tables {
    ($(
        $(#[doc = $about:literal])+
        pub struct $table:ident, unknown keys $unknown:ident {
            $($(#[doc = $doc:literal])+ $presence:ident $key:ident: $type:ty $(= $default:literal)?;)*
        }
    )*) => {$(
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq)]
        pub struct $table {
            /// Where the table is declared.
            pub span: std::ops::Range<usize>,
            $($(#[doc = $doc])+ pub $key: Option<$crate::config::reader::At<$type>>,)*
        }

        impl $table {
            /// The known keys.
            pub const KEYS: &[&str] = &[$($crate::config::tables::key_name(stringify!($key)),)*];
        }

        impl $crate::config::reader::Read for $table {
            fn read(
                value: &$crate::config::reader::Value<'_>,
                reader: &mut $crate::config::reader::Reader,
            ) -> Option<Self> {
                let unknown = $crate::config::reader::Unknown::$unknown;
                let table = reader.table(value, Self::KEYS, unknown)?;
                let span = value.span();
                $(
                    let presence = $crate::config::tables::presence!($presence);
                    let about = concat!($($doc),+).trim_ascii();
                    let $key = reader.entry(table, $crate::config::tables::key_name(stringify!($key)), presence, &span, about);
                )*
                Some(Self { span, $($key,)* })
            }
        }

        impl schemars::JsonSchema for $table {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($table).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut properties = serde_json::Map::new();
                let mut required: Vec<&str> = Vec::new();
                $(
                    let mut schema = <$type as schemars::JsonSchema>::json_schema(generator);
                    schema.insert("description".into(), concat!($($doc),+).trim_ascii().into());
                    $(schema.insert("default".into(), $default.into());)?
                    properties.insert($crate::config::tables::key_name(stringify!($key)).into(), schema.to_value());
                    if $crate::config::tables::presence!($presence) == $crate::config::reader::Presence::Must {
                        required.push($crate::config::tables::key_name(stringify!($key)));
                    }
                )*
                schemars::json_schema!({
                    "type": "object",
                    "description": concat!($($about),+).trim_ascii(),
                    "properties": properties,
                    "required": required,
                    "additionalProperties": $crate::config::reader::Unknown::$unknown
                        != $crate::config::reader::Unknown::Refused,
                })
            }
        }
    )*};
}
pub(crate) use tables;

/// A field's name as a key: Rust's own words are fields with `r#` before them.
pub(crate) const fn key_name(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

macro_rules! presence {
    (must) => {
        $crate::config::reader::Presence::Must
    };
    (may) => {
        $crate::config::reader::Presence::May
    };
    (cosmetic) => {
        $crate::config::reader::Presence::Cosmetic
    };
}
pub(crate) use presence;
