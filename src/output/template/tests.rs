// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Templates against the answers that Go gives.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Serialize;

use super::*;
use crate::output::value::{Map, Method, Struct};

#[derive(Serialize)]
#[serde(rename = "define.Container")]
struct Container {
    #[serde(rename = "ID,Id")]
    id: String,
    #[serde(rename = "Names")]
    names: Vec<String>,
    #[serde(rename = "Size")]
    size: i64,
    #[serde(rename = "Config")]
    config: Config,
    #[serde(rename = "Health")]
    health: Option<Config>,
}

#[derive(Serialize)]
#[serde(rename = "define.Config")]
struct Config {
    #[serde(rename = "Labels")]
    labels: BTreeMap<String, String>,
    #[serde(rename = "Tty")]
    tty: bool,
}

fn label(receiver: &Struct, arguments: &[Value]) -> Result<Value, String> {
    let [Value::Str(key)] = arguments else {
        return Err("want one text".to_owned());
    };
    Ok(Value::from(format!("{}:{key}", receiver.type_name)))
}

fn sample() -> Value {
    let labels = [("foo", "bar"), ("a", "b")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let mut value = Value::of(&Container {
        id: "0123".to_owned(),
        names: vec!["x".to_owned(), "y".to_owned()],
        size: 42,
        config: Config {
            labels: BTreeMap::from(labels),
            tty: true,
        },
        health: None,
    });
    if let Value::Struct(inner) = &mut value {
        inner.methods = &[Method {
            name: "Label",
            call: label,
        }];
    }
    value
}

fn run(text: &str) -> Result<String, String> {
    let mut out = String::new();
    Template::parse("t", text)
        .and_then(|template| template.execute(&sample(), &mut out))
        .map_err(|error| error.to_string())?;
    Ok(out)
}

fn check(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(run(text).as_deref(), Ok(*expected), "{text}");
    }
}

fn check_errors(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(run(text).unwrap_err(), *expected, "{text}");
    }
}

#[test]
fn fields() {
    check(&[
        ("{{.ID}} {{.Id}}", "0123 0123"),
        ("{{.Names}}", "[x y]"),
        ("{{.Config.Labels.foo}}", "bar"),
        ("{{.Config.Labels.nope}}", "<no value>"),
        ("{{.Config.Labels.nope.more}}", "<no value>"),
        ("{{.Config.Labels}}", "map[a:b foo:bar]"),
        ("{{.Config}}", "{map[a:b foo:bar] true}"),
        ("{{.Health}}", "<nil>"),
        ("{{(index .Names 1)}} {{(.Config).Tty}}", "y true"),
        (
            "{{.Label \"k\"}} {{\"k\" | .Label}}",
            "define.Container:k define.Container:k",
        ),
        (
            "{{$.Size}} {{$}}",
            "42 {0123 [x y] 42 {map[a:b foo:bar] true} <nil>}",
        ),
    ]);
}

#[test]
fn control() {
    check(&[
        ("{{if .Size}}y{{else}}n{{end}}", "y"),
        (
            "{{if .Health}}y{{else if .Config.Tty}}z{{else}}n{{end}}",
            "z",
        ),
        ("{{with .Config}}{{.Tty}}{{end}}", "true"),
        (
            "{{with .Health}}y{{else with .Config}}{{.Tty}}{{end}}",
            "true",
        ),
        ("{{range .Names}}<{{.}}>{{end}}", "<x><y>"),
        (
            "{{range $i, $e := .Names}}{{$i}}={{$e}};{{end}}",
            "0=x;1=y;",
        ),
        (
            "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}",
            "a=b foo=bar ",
        ),
        ("{{range $k := .Config.Labels}}{{$k}} {{end}}", "b bar "),
        ("{{range .Health}}x{{else}}none{{end}}", "none"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        (
            "{{range .Names}}{{break}}{{end}}-{{range .Names}}{{.}}{{continue}}no{{end}}",
            "-xy",
        ),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"),
        ("{{$x := 1}}{{if true}}{{$x := 2}}{{end}}{{$x}}", "1"),
        ("a {{- 1 -}} b{{/* note */}}c", "a1bc"),
        (
            "{{define \"d\"}}<{{.}}>{{end}}{{template \"d\" .Size}}{{template \"d\"}}",
            "<42><<no value>>",
        ),
        ("{{block \"b\" .ID}}[{{.}}]{{end}}", "[0123]"),
        ("{{with $x := .Size}}{{$x}}{{end}}", "42"),
    ]);
}

#[test]
fn functions() {
    check(&[
        ("{{and 1 0 2}} {{or 0 \"\" 3}} {{not 1}}", "0 3 false"),
        (
            "{{eq .Size 42}} {{eq .ID \"a\" \"0123\"}} {{ne 1 2}}",
            "true true true",
        ),
        (
            "{{lt 1 2}} {{le 2 2}} {{gt \"b\" \"a\"}} {{ge 1.5 2.5}}",
            "true true true false",
        ),
        ("{{eq .Config.Labels.nope \"x\"}}", "false"),
        (
            "{{len .Names}} {{len \"äb\"}} {{len .Config.Labels}}",
            "2 3 2",
        ),
        (
            "{{index .Names 0}} {{index .Config.Labels \"foo\"}}",
            "x bar",
        ),
        ("{{index .Config.Labels \"no\"}}|", "|"),
        ("{{slice \"abcdef\" 1 3}} {{slice .Names 1}}", "bc [y]"),
        ("{{print 1 2 \"a\" 3}} {{println 1 \"a\"}}", "1 2a3 1 a\n"),
        ("{{html \"<a&'\\\">\"}}", "&lt;a&amp;&#39;&#34;&gt;"),
        (
            "{{js \"a'<\"}} {{urlquery \"a b/ü\"}}",
            "a\\'\\u003C a+b%2F%C3%BC",
        ),
        (
            "{{json .}}",
            "{\"Id\":\"0123\",\"Names\":[\"x\",\"y\"],\"Size\":42,\"Config\":{\"Labels\":{\"a\":\"b\",\"foo\":\"bar\"},\"Tty\":true},\"Health\":null}",
        ),
        (
            "{{json .Config.Labels.foo}}{{.ID | json}}",
            "\"bar\"\"0123\"",
        ),
        ("{{join .Names \",\"}} {{split \"a,b\" \",\"}}", "x,y [a b]"),
        (
            "{{upper \"aé\"}} {{lower \"AÉ\"}} {{title \"don't go_on\"}}",
            "AÉ aé Don'T Go_on",
        ),
        (
            "[{{pad \"x\" 1 2}}] {{truncate \"abc\" 2}} {{truncate \"abc\" 9}}",
            "[ x  ] ab abc",
        ),
        ("{{\"a\" | printf \"%s-%s\" \"b\"}}", "b-a"),
    ]);
}

#[test]
fn printf_verbs() {
    check(&[
        (
            "{{printf \"%5d|%-5d|%05d|%+d|%x|%#X\" 42 42 42 42 255 255}}",
            "   42|42   |00042|+42|ff|0XFF",
        ),
        (
            "{{printf \"%s %q %v %.2s|%5s|%-5s|\" \"a\" \"b\\n\" .Names \"xyz\" \"r\" \"l\"}}",
            "a \"b\\n\" [x y] xy|    r|l    |",
        ),
        (
            "{{printf \"%q %s %d\" .Names .Names .Size}}",
            "[\"x\" \"y\"] [x y] 42",
        ),
        (
            "{{printf \"%f %.1f %e %g %6.2f\" 1.5 2.25 1500.0 0.5 3.14159}}",
            "1.500000 2.2 1.500000e+03 0.5   3.14",
        ),
        (
            "{{printf \"%t %c %U %q %b %o\" true 65 65 65 5 8}}",
            "true A U+0041 'A' 101 10",
        ),
        (
            "{{printf \"%T %T %T\" 1 \"a\" .Names}}",
            "int string []string",
        ),
        ("{{printf \"%d\" \"a\"}}", "%!d(string=a)"),
        (
            "{{printf \"%d\"}} {{printf \"x\" 1}} {{printf \"%\"}} {{printf \"%!\" 1}}",
            "%!d(MISSING) x%!(EXTRA int=1) %!(NOVERB) %!!(int=1)",
        ),
        (
            "{{printf \"%[2]d %[1]d\" 1 2}} {{printf \"%*d|%-*d|\" 4 1 4 1}}",
            "2 1    1|1   |",
        ),
        (
            "{{printf \"%+v\" .Config}}",
            "{Labels:map[a:b foo:bar] Tty:true}",
        ),
        ("{{printf \"%v %s\" .Health nil}}", "<nil> %!s(<nil>)"),
        (
            "{{printf \"%.3g %.3g %x\" 1234.5 0.00012345 \"hi\"}}",
            "1.23e+03 0.000123 6869",
        ),
    ]);
    // More digits than any number has, and than a formatter of ours takes.
    let zeros = |count: usize| "0".repeat(count);
    check(&[
        (
            "{{printf \"%.70000f\" 1.5}}",
            &format!("1.5{}", zeros(69_999)),
        ),
        (
            "{{printf \"%.70000e\" 1.5}}",
            &format!("1.5{}e+00", zeros(69_999)),
        ),
        (
            "{{printf \"%.70000E\" 0.25}}",
            &format!("2.5{}E-01", zeros(69_999)),
        ),
        (
            "{{printf \"%.70000g|%70000s\" 1.5 \"x\"}}",
            &format!("1.5|{}x", " ".repeat(69_999)),
        ),
    ]);
}

#[test]
fn parse_errors() {
    check_errors(&[
        ("{{", "template: t:1: unclosed action"),
        ("{{if .X}}", "template: t:1: unexpected EOF"),
        ("{{end}}", "template: t:1: unexpected {{end}}"),
        ("{{else}}", "template: t:1: unexpected {{else}}"),
        ("{{nope}}", "template: t:1: function \"nope\" not defined"),
        ("a\n{{$x}}", "template: t:2: undefined variable \"$x\""),
        ("{{}}", "template: t:1: missing value for command"),
        (
            "{{.A | 1}}",
            "template: t:1: non executable command in pipeline stage 2",
        ),
        ("{{.A }", "template: t:1: unexpected \"}\" in operand"),
        ("{{break}}", "template: t:1: {{break}} outside {{range}}"),
        ("{{1.Foo}}", "template: t:1: bad number syntax: \"1.F\""),
        (
            "{{range $a, $b, $c := .X}}{{end}}",
            "template: t:1: too many declarations in range",
        ),
        (
            "{{if .X}}{{else}}{{else}}{{end}}",
            "template: t:1: expected end; found {{else}}",
        ),
    ]);
}

#[test]
fn execution_errors() {
    check_errors(&[
        (
            "{{.Nope}}",
            "template: t:1:2: executing \"t\" at <.Nope>: can't evaluate field Nope in type define.Container",
        ),
        (
            "x\n{{.Config.Nope}}",
            "template: t:2:9: executing \"t\" at <.Config.Nope>: can't evaluate field Nope in type define.Config",
        ),
        (
            "{{.ID.Nope}}",
            "template: t:1:5: executing \"t\" at <.ID.Nope>: can't evaluate field Nope in type string",
        ),
        (
            "{{.Health.Tty}}",
            "template: t:1:9: executing \"t\" at <.Health.Tty>: nil pointer evaluating interface {}.Tty",
        ),
        (
            "{{index .Names 5}}",
            "template: t:1:2: executing \"t\" at <index .Names 5>: error calling index: index out of range: 5",
        ),
        (
            "{{eq 1 \"a\"}}",
            "template: t:1:2: executing \"t\" at <eq 1 \"a\">: error calling eq: incompatible types for comparison",
        ),
        (
            "{{len 1}}",
            "template: t:1:2: executing \"t\" at <len 1>: error calling len: len of type int",
        ),
        (
            "{{upper 1}}",
            "template: t:1:2: executing \"t\" at <upper>: wrong type for value; expected string; got int",
        ),
        (
            "{{json}}",
            "template: t:1:2: executing \"t\" at <json>: wrong number of args for json: want 1 got 0",
        ),
        (
            "{{.ID 1}}",
            "template: t:1:2: executing \"t\" at <.ID>: ID has arguments but cannot be invoked as function",
        ),
        (
            "{{template \"x\"}}",
            "template: t:1:11: executing \"t\" at <{{template \"x\"}}>: template \"x\" not defined",
        ),
        (
            "{{nil}}",
            "template: t:1:2: executing \"t\" at <nil>: nil is not a command",
        ),
        (
            "{{define \"r\"}}{{template \"r\"}}{{end}}{{template \"r\"}}",
            "template: t:1:25: executing \"r\" at <{{template \"r\"}}>: exceeded maximum template depth (200)",
        ),
    ]);
}

#[test]
fn untyped_maps_have_no_value() {
    let map = Value::Map(Map {
        entries: BTreeMap::new(),
        untyped: true,
    });
    let mut out = String::new();
    let template = Template::parse("t", "{{index . \"a\"}} {{.}}").unwrap();
    template.execute(&map, &mut out).unwrap();
    assert_eq!(out, "<no value> map[]");
}

#[test]
fn headings_survive_calls() {
    let headings = Value::from(BTreeMap::from([("ID".to_owned(), "CONTAINER ID")]));
    let mut out = String::new();
    let text = "{{.ID}}|{{.Label \"x\"}}|{{upper .ID}}|{{.State.Pid}}|{{json .ID}}";
    let template = Template::parse("t", text).unwrap();
    template.execute_headings(&headings, &mut out).unwrap();
    assert_eq!(out, "CONTAINER ID|LABEL|CONTAINER ID|PID|CONTAINER ID");
}

#[test]
fn tells_what_is_mentioned() {
    let template = Template::parse("t", "{{if .A}}{{$.B.C}}{{end}}{{(index .D 1).E}}").unwrap();
    let names: Vec<_> = template.mentioned().into_iter().collect();
    assert_eq!(names, ["A", "B", "C", "D", "E"]);
}

/// Pieces that are likely to get deep into the parser.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "{{",
            "}}",
            "{{-",
            "-}}",
            " ",
            ".",
            ".ID",
            ".Names",
            "$",
            "$x",
            ":=",
            "=",
            "|",
            "(",
            ")",
            "if",
            "else",
            "end",
            "range",
            "with",
            "define",
            "template",
            "block",
            "\"a\"",
            "`b`",
            "'c'",
            "1",
            "-2.5",
            "0x",
            "nil",
            "true",
            "break",
            "continue",
            "index",
            "printf",
            "eq",
            "slice",
            "%",
            "%*d",
            "%[3]v",
            ",",
            "/*",
            "*/",
            "\n",
            "é",
            "\"%9999999d\"",
            "{{end}}",
            "{{range .Names}}",
            "{{else}}",
            "json",
            "len",
            "split",
            "pad",
            "truncate",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,6}",
    ]
}

proptest! {
    #[test]
    fn never_panics(pieces in prop::collection::vec(piece(), 0..40)) {
        drop(run(&pieces.concat()));
        drop(run(&pieces.join(" ")));
    }

    #[test]
    fn actions_never_panic(pieces in prop::collection::vec(piece(), 0..12)) {
        drop(run(&format!("{{{{{}}}}}", pieces.join(" "))));
    }
}

#[test]
fn deep_nesting_is_an_error() {
    let parens = format!("{{{{{}1{}}}}}", "(".repeat(5000), ")".repeat(5000));
    assert!(run(&parens).unwrap_err().contains("too many nested"));
    let blocks = "{{if 1}}".repeat(5000);
    assert!(run(&blocks).unwrap_err().contains("too many nested"));
    let fits = format!("{}x{}", "{{if 1}}".repeat(40), "{{end}}".repeat(40));
    assert_eq!(run(&fits).as_deref(), Ok("x"));
}
