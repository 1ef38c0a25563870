//! Results as JUnit's XML, which systems for continuous integration read.

use std::fmt::Write as _;

use super::outcome::Outcome;

/// The results of one configuration.
pub(super) struct Suite<'a> {
    /// The configuration's name.
    pub(super) name: String,
    /// Names, sections and outcomes of its cases.
    pub(super) cases: Vec<(&'a str, &'a str, &'a Outcome)>,
}

/// The whole document.
pub(super) fn document(suites: &[Suite<'_>]) -> String {
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"pteg conformance\">\n".to_owned();
    for suite in suites {
        let count = |wanted: fn(&Outcome) -> bool| suite.cases.iter().filter(|(_, _, outcome)| wanted(outcome)).count();
        put(
            &mut xml,
            format_args!(
                "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" errors=\"0\">\n",
                escaped(&suite.name),
                suite.cases.len(),
                count(|outcome| matches!(outcome, Outcome::Fail(_))),
                count(|outcome| matches!(outcome, Outcome::Skip(_))),
            ),
        );
        for (name, section, outcome) in &suite.cases {
            put(
                &mut xml,
                format_args!(
                    "    <testcase classname=\"{}\" name=\"{}\"",
                    escaped(&suite.name),
                    escaped(name)
                ),
            );
            match outcome {
                Outcome::Pass => xml.push_str("/>\n"),
                Outcome::Fail(why) => put(
                    &mut xml,
                    format_args!(
                        "><failure message=\"{}\">{}</failure></testcase>\n",
                        escaped(why),
                        escaped(section)
                    ),
                ),
                Outcome::Skip(why) => put(
                    &mut xml,
                    format_args!("><skipped message=\"{}\"/></testcase>\n", escaped(why)),
                ),
            }
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn put(xml: &mut String, what: std::fmt::Arguments<'_>) {
    xml.write_fmt(what).expect("a text takes everything");
}

/// As text or in an attribute. What a hypervisor says may hold anything; XML has no control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() || ('\u{fffe}'..='\u{ffff}').contains(&c) => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node};

    use super::*;

    /// As an independent reader sees it.
    #[test]
    fn the_document_says_what_came_of_each_case() {
        let hostile = "r3 expected <0x1> & \"got\" 'it'\u{1}\u{ffff} ]]>";
        let outcomes = [
            Outcome::Pass,
            Outcome::Fail(hostile.to_owned()),
            Outcome::Skip("there is no page of 16M".to_owned()),
        ];
        let cases = ["a/one", "a/two", "a/three"].into_iter().zip(&outcomes);
        let suites = [
            Suite {
                name: "le-4k-256m".to_owned(),
                cases: cases.map(|(name, outcome)| (name, "LoPAR, H_<X>", outcome)).collect(),
            },
            Suite {
                name: "empty".to_owned(),
                cases: Vec::new(),
            },
        ];
        let xml = document(&suites);
        let document = Document::parse(&xml).unwrap();
        let elements = |node: Node<'_, '_>| node.children().filter(Node::is_element).count();
        let root = document.root_element();
        assert_eq!((root.tag_name().name(), elements(root)), ("testsuites", 2));
        let suite = root.first_element_child().unwrap();
        let numbers = ["tests", "failures", "skipped", "errors"].map(|name| suite.attribute(name));
        assert_eq!(numbers, [Some("3"), Some("1"), Some("1"), Some("0")]);
        let cases: Vec<Node<'_, '_>> = suite.children().filter(Node::is_element).collect();
        assert_eq!(
            (
                cases[0].attribute("classname"),
                cases[0].attribute("name"),
                elements(cases[0])
            ),
            (Some("le-4k-256m"), Some("a/one"), 0)
        );
        let failure = cases[1].first_element_child().unwrap();
        assert_eq!(failure.tag_name().name(), "failure");
        let said = failure.attribute("message").unwrap();
        assert!(
            said.starts_with("r3 expected <0x1> & \"got\" 'it'") && said.ends_with("]]>"),
            "{said}"
        );
        assert_eq!(failure.text(), Some("LoPAR, H_<X>"));
        let skipped = cases[2].first_element_child().unwrap();
        assert_eq!(
            (skipped.tag_name().name(), skipped.attribute("message")),
            ("skipped", Some("there is no page of 16M"))
        );
    }
}
