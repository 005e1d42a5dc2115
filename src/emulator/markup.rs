//! Text inside XML and HTML.

/// The text so that it stands for itself, in content and in attributes.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The text that [`escaped`] gave this, or nothing if it did not.
pub(super) fn unescaped(markup: &str) -> Option<String> {
    let text = markup.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    (escaped(&text) == markup).then_some(text)
}
