//! The `claims` parameter of a token request: what a route asks for, and that a caller can handle challenges.

use serde_json::{Map, Value, json};

/// The `claims` parameter, if there is anything to say.
///
/// `capable` is whether the caller handles claims challenges: only then is the capability `cp1` declared, which makes
/// the token long-lived and lets the target challenge it.
pub(super) fn parameter(asked: Option<&Map<String, Value>>, capable: bool) -> Option<String> {
    let mut claims = Value::Object(asked.cloned().unwrap_or_default());
    if capable {
        merge(&mut claims, json!({ "access_token": { "xms_cc": { "values": ["cp1"] } } }));
    }
    let empty = claims.as_object().is_none_or(Map::is_empty);
    (!empty).then(|| claims.to_string())
}

/// Adds `more` to `claims`, object by object. Lists become the union of both; of two values that exclude each other
/// `more` wins, as the later word.
pub(super) fn merge(claims: &mut Value, more: Value) {
    match (claims, more) {
        (Value::Object(claims), Value::Object(more)) => {
            for (name, value) in more {
                match claims.get_mut(&name) {
                    Some(present) => merge(present, value),
                    None => drop(claims.insert(name, value)),
                }
            }
        }
        (Value::Array(claims), Value::Array(more)) => {
            for value in more {
                if !claims.contains(&value) {
                    claims.push(value);
                }
            }
        }
        // `"name": null` asks for a claim without conditions (OpenID Connect Core section 5.5.1): conditions say more.
        (_, Value::Null) => {}
        (claims, more) => *claims = more,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn merged(claims: &Value, more: &Value) -> Value {
        let mut claims = claims.clone();
        merge(&mut claims, more.clone());
        claims
    }

    #[test]
    fn nothing_is_said_where_there_is_nothing_to_say() {
        assert_eq!(parameter(None, false), None);
        assert_eq!(parameter(Some(&Map::new()), false), None);
    }

    #[test]
    fn the_capability_joins_what_the_route_asks_for() {
        assert_eq!(parameter(None, true).unwrap(), r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#);
        let asked = json!({"access_token": {"acrs": {"essential": true, "value": "c1"}}, "id_token": {"a": null}});
        let said: Value = serde_json::from_str(&parameter(asked.as_object(), true).unwrap()).unwrap();
        let expected = json!({
            "access_token": {"acrs": {"essential": true, "value": "c1"}, "xms_cc": {"values": ["cp1"]}},
            "id_token": {"a": null},
        });
        assert_eq!(said, expected);
    }

    #[test]
    fn lists_unite_and_conditions_outweigh_their_absence() {
        let claims = json!({"access_token": {"xms_cc": {"values": ["llt"]}, "nbf": {"essential": true}}});
        let more = json!({"access_token": {"xms_cc": {"values": ["llt", "cp1"]}, "nbf": null}});
        let expected = json!({"access_token": {"xms_cc": {"values": ["llt", "cp1"]}, "nbf": {"essential": true}}});
        assert_eq!(merged(&claims, &more), expected);
        assert_eq!(
            merged(&json!({"nbf": {"value": "1"}}), &json!({"nbf": {"value": "2"}})),
            json!({"nbf": {"value": "2"}})
        );
    }

    fn any_claims() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            "[a-c]{1,2}".prop_map(Value::from),
            prop::collection::vec("[a-c]".prop_map(Value::from), 0..3).prop_map(unique),
        ];
        let object = leaf.prop_recursive(3, 24, 4, |inner| {
            prop::collection::btree_map("[a-c]", inner, 0..4).prop_map(|map| map.into_iter().collect())
        });
        prop::collection::btree_map("[a-c]", object, 0..4).prop_map(|map| map.into_iter().collect())
    }

    fn unique(values: Vec<Value>) -> Value {
        let mut kept = Vec::new();
        for value in values {
            if !kept.contains(&value) {
                kept.push(value);
            }
        }
        Value::Array(kept)
    }

    /// Whether everything that `more` asks for is asked for by `claims`.
    fn covers(claims: &Value, more: &Value) -> bool {
        match (claims, more) {
            (_, Value::Null) => true,
            (Value::Object(claims), Value::Object(more)) => {
                more.iter().all(|(name, value)| claims.get(name).is_some_and(|present| covers(present, value)))
            }
            (Value::Array(claims), Value::Array(more)) => more.iter().all(|value| claims.contains(value)),
            (claims, more) => claims == more,
        }
    }

    proptest! {
        #[test]
        fn what_is_merged_in_is_asked_for(claims in any_claims(), more in any_claims()) {
            let merged = merged(&claims, &more);
            prop_assert!(covers(&merged, &more), "{merged}");
            let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            prop_assert!(names(&claims).iter().all(|name| merged.get(name).is_some()));
        }

        #[test]
        fn merging_twice_is_merging_once(claims in any_claims(), more in any_claims()) {
            let once = merged(&claims, &more);
            prop_assert_eq!(merged(&once, &more), once);
        }

        #[test]
        fn nothing_merged_in_changes_nothing(claims in any_claims()) {
            prop_assert_eq!(merged(&claims, &json!({})), claims);
        }
    }
}
