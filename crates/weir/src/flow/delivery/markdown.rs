//! Texts of dashboards, which are Markdown, for mails and for chats. Markup within them stays the text it is, and
//! links lead to pages only, as in the application.

use std::fmt::Write as _;

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use url::Url;

use super::letter::marked;

/// How far items of lists are set in at most, however deep they are.
const DEEPEST: usize = 8;

/// Writes a text for a mail; `page` is where its links begin.
pub(super) fn html(text: &str, page: &str) -> String {
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, events(text, page).into_iter());
    html
}

/// Reads a text. Headings are those below a tile's own.
fn events<'a>(text: &'a str, page: &str) -> Vec<Event<'a>> {
    let page = Url::parse(page).ok();
    // Whether each link that is open leads anywhere.
    let mut links = Vec::new();
    let events = Parser::new_ext(text, Options::empty()).filter_map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        Event::SoftBreak => Some(Event::HardBreak),
        // What it shows instead stays; mails that fetch pictures tell that they are read.
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => {
            let leads = address(page.as_ref(), &dest_url);
            links.push(leads.is_some());
            leads.map(|dest_url| {
                Event::Start(Tag::Link {
                    link_type,
                    dest_url,
                    title,
                    id,
                })
            })
        }
        Event::End(TagEnd::Link) => links.pop().unwrap_or_default().then_some(event),
        Event::Start(Tag::Heading { level, .. }) => Some(Event::Start(Tag::Heading {
            level: below(level),
            id: None,
            classes: Vec::new(),
            attrs: Vec::new(),
        })),
        Event::End(TagEnd::Heading(level)) => Some(Event::End(TagEnd::Heading(below(level)))),
        event => Some(event),
    });
    events.collect()
}

fn below(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H3,
        HeadingLevel::H2 => HeadingLevel::H4,
        _ => HeadingLevel::H5,
    }
}

/// Returns where a link leads, if it is to a page: of the web, or of the application.
fn address(page: Option<&Url>, link: &str) -> Option<CowStr<'static>> {
    let url = match page {
        Some(page) => page.join(link).ok()?,
        None => Url::parse(link).ok()?,
    };
    matches!(url.scheme(), "https" | "http").then(|| CowStr::from(url.to_string()))
}

/// Writes a text with the marks of chats.
pub(super) fn chat(text: &str, page: &str) -> String {
    let mut out = String::new();
    // The number of the next item of each list that is open; none for those without numbers.
    let mut lists: Vec<Option<u64>> = Vec::new();
    for event in events(text, page) {
        match event {
            Event::Start(Tag::Strong | Tag::Heading { .. }) | Event::End(TagEnd::Strong) => {
                out.push('*')
            }
            Event::End(TagEnd::Heading(_)) => out.push_str("*\n"),
            Event::Start(Tag::Emphasis) | Event::End(TagEnd::Emphasis) => out.push('_'),
            Event::Start(Tag::CodeBlock(_)) => out.push_str("```\n"),
            Event::End(TagEnd::CodeBlock) => out.push_str("```\n"),
            Event::Start(Tag::Link { dest_url, .. }) => {
                let _ = write!(out, "<{}|", dest_url.replace(['<', '>', '|'], ""));
            }
            Event::End(TagEnd::Link) => out.push('>'),
            Event::Start(Tag::List(first)) => {
                if !lists.is_empty() {
                    out.push('\n');
                }
                lists.push(first);
            }
            Event::End(TagEnd::List(_)) => {
                lists.pop();
            }
            Event::Start(Tag::Item) => {
                out.push_str(&"  ".repeat(lists.len().saturating_sub(1).min(DEEPEST)));
                match lists.last_mut() {
                    Some(Some(number)) => {
                        let _ = write!(out, "{number}. ");
                        *number += 1;
                    }
                    _ => out.push_str("• "),
                }
            }
            Event::End(TagEnd::Item) if !out.ends_with('\n') => out.push('\n'),
            Event::End(TagEnd::Paragraph | TagEnd::HtmlBlock) => out.push('\n'),
            Event::Code(code) => {
                let _ = write!(out, "`{}`", marked(&code));
            }
            Event::Text(text) => out.push_str(&marked(&text).replace('|', "¦")),
            Event::HardBreak => out.push('\n'),
            Event::Rule => out.push_str("---\n"),
            _ => {}
        }
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "https://weir.example/d/abc";
    const TEXT: &str = "# Sales\nAs of *now*,\nsee [all **orders**](/q/1):\n\n- one\n- `two`\n\n1. first\n2. [away](https://example.com/?a=1&b=2)\n";

    #[test]
    fn a_text_has_its_marks() {
        assert_eq!(
            html(TEXT, PAGE),
            "<h3>Sales</h3>\n<p>As of <em>now</em>,<br />\nsee <a href=\"https://weir.example/q/1\">all \
             <strong>orders</strong></a>:</p>\n<ul>\n<li>one</li>\n<li><code>two</code></li>\n</ul>\n<ol>\n\
             <li>first</li>\n<li><a href=\"https://example.com/?a=1&amp;b=2\">away</a></li>\n</ol>\n"
        );
        assert_eq!(
            chat(TEXT, PAGE),
            "*Sales*\nAs of _now_,\nsee <https://weir.example/q/1|all *orders*>:\n• one\n• `two`\n1. first\n\
             2. <https://example.com/?a=1&b=2|away>"
        );
    }

    #[test]
    fn lists_in_lists_stay_small() {
        let text = "- ".repeat(5_000) + "x";
        assert!(chat(&text, PAGE).len() < 50 * text.len());
        assert!(html(&text, PAGE).len() < 50 * text.len());
    }

    #[test]
    fn markup_stays_text_and_links_lead_to_pages() {
        let evil = "<img src=x onerror=1> [a](javascript:alert(1)) ![p](https://spy.example/p.png) <b>\n\n<script>\nx\n</script>\n\n[b](data:text/html,x)";
        let html = html(evil, PAGE);
        for bad in ["<img", "<script", "<b>", "href", "spy.example"] {
            assert!(!html.contains(bad), "{bad} in {html}");
        }
        assert!(html.contains("&lt;img src=x onerror=1&gt; a p"), "{html}");
        let chat = chat(
            "<!channel> `|```\n\n[x|y](https://a.example/|b)\n```\n```end\n",
            PAGE,
        );
        assert!(!chat.contains("<!channel>"), "{chat}");
        assert!(chat.contains("<https://a.example/b|x¦y>"), "{chat}");
    }
}
