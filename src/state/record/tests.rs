// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of the records of containers.

use super::*;

#[test]
fn a_record_holds_what_says_something() {
    fn text<T: Serialize>(value: &T) -> String {
        serde_json::to_string(value).unwrap()
    }
    assert_eq!(text(&ContainerRequest::default()), "{}");
    assert_eq!(text(&Resolved::default()), "{}");
    assert_eq!(text(&ContainerState::default()), "{}");
    let request = ContainerRequest {
        image: "i".to_owned(),
        entrypoint: Some(Vec::new()),
        sdnotify: NotifyMode::Ignore,
        ..ContainerRequest::default()
    };
    let written = text(&request);
    assert_eq!(
        written,
        r#"{"image":"i","entrypoint":[],"sdnotify":"ignore"}"#
    );
    let read: ContainerRequest = serde_json::from_str(&written).unwrap();
    assert_eq!(read, request);
    // As it was written before.
    let whole = r#"{"image":"i","entrypoint":[],"workdir":null,"tty":false,"env":[],
        "sdnotify":"ignore","limits":{},"no_such_field":1}"#;
    let read: ContainerRequest = serde_json::from_str(whole).unwrap();
    assert_eq!(read, request);
}
