//! Numbers, and values that say of which type they are.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value,
};
use serde::{Deserialize, Deserializer, de};

use super::given;

/// A whole number, as a number or in a text.
#[derive(Default)]
pub(super) struct Whole<T>(pub(super) T);

impl<'de, T: TryFrom<i128>> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;

        impl de::Visitor<'_> for Digits {
            type Value = i128;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, or one in a text")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<i128, E> {
                Ok(number.into())
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<i128, E> {
                Ok(number.into())
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<i128, E> {
                if number.fract() == 0.0 && number.abs() < 1e30 {
                    return Ok(number as i128);
                }
                Err(E::invalid_value(de::Unexpected::Float(number), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<i128, E> {
                text.parse()
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        let number = deserializer.deserialize_any(Digits)?;
        T::try_from(number)
            .map(Self)
            .map_err(|_| de::Error::custom(format_args!("{number} is out of range")))
    }
}

/// A number with a fraction, or one that JSON has no digits for, in a text.
struct Float(f64);

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Text(String),
        }

        match Written::deserialize(deserializer)? {
            Written::Number(number) => Ok(Self(number)),
            Written::Text(text) => text.parse().map(Self).map_err(de::Error::custom),
        }
    }
}

/// A list of attributes.
#[derive(Default)]
pub(super) struct Attributes(pub(super) Vec<KeyValue>);

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Attribute {
            #[serde(default, deserialize_with = "given")]
            key: String,
            #[serde(default, deserialize_with = "given")]
            value: Any,
        }

        let list = Listed(|attribute: Attribute| KeyValue {
            key: attribute.key,
            value: Some(attribute.value.0),
            ..KeyValue::default()
        });
        deserializer.deserialize_seq(list).map(Self)
    }
}

/// A value of any type.
#[derive(Default)]
struct Any(AnyValue);

/// Lists of values, each at once what it is for the reader of protobuf: there may be millions.
#[derive(Default)]
struct Values(Vec<AnyValue>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_seq(Listed(|any: Any| any.0))
            .map(Self)
    }
}

/// Reads a list of `T` as one of something else.
struct Listed<T, U>(fn(T) -> U);

impl<'de, T: Deserialize<'de>, U> de::Visitor<'de> for Listed<T, U> {
    type Value = Vec<U>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<U>, A::Error> {
        let mut read = Vec::new();
        while let Some(item) = list.next_element()? {
            read.push(self.0(item));
        }
        Ok(read)
    }
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Typed;

        impl<'de> de::Visitor<'de> for Typed {
            type Value = Any;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a value")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut object: A) -> Result<Any, A::Error> {
                #[derive(Default, Deserialize)]
                struct Items<T> {
                    #[serde(default = "Option::default")]
                    values: Option<T>,
                }

                let mut value = None;
                while let Some(kind) = object.next_key::<Kind>()? {
                    let read = match kind {
                        Kind::StringValue => {
                            object.next_value::<Option<_>>()?.map(Value::StringValue)
                        }
                        Kind::BoolValue => object.next_value::<Option<_>>()?.map(Value::BoolValue),
                        Kind::IntValue => object
                            .next_value::<Option<Whole<i64>>>()?
                            .map(|number| Value::IntValue(number.0)),
                        Kind::DoubleValue => object
                            .next_value::<Option<Float>>()?
                            .map(|number| Value::DoubleValue(number.0)),
                        Kind::ArrayValue => {
                            object.next_value::<Option<Items<Values>>>()?.map(|items| {
                                let values = items.values.unwrap_or_default().0;
                                Value::ArrayValue(ArrayValue { values })
                            })
                        }
                        Kind::KvlistValue => {
                            object
                                .next_value::<Option<Items<Attributes>>>()?
                                .map(|items| {
                                    let values = items.values.unwrap_or_default().0;
                                    Value::KvlistValue(KeyValueList { values })
                                })
                        }
                        Kind::BytesValue => {
                            let text = object.next_value::<Option<String>>()?;
                            let bytes = text.map(|text| BASE64_STANDARD.decode(text));
                            bytes
                                .transpose()
                                .map_err(de::Error::custom)?
                                .map(Value::BytesValue)
                        }
                        Kind::Unknown => {
                            object.next_value::<de::IgnoredAny>()?;
                            continue;
                        }
                    };
                    value = read.or(value);
                }
                Ok(Any(AnyValue { value }))
            }
        }

        deserializer.deserialize_map(Typed)
    }
}

/// Which type a value is of.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    StringValue,
    BoolValue,
    IntValue,
    DoubleValue,
    ArrayValue,
    KvlistValue,
    BytesValue,
    #[serde(other)]
    Unknown,
}
