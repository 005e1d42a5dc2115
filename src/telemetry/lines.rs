//! Events become lines, in the format that is set when they happen.

use std::cell::Cell;
use std::io::Write;

use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::heard::LogControl;
use super::json;
use super::log::LogFormat;

/// Writes every event that is heard to `W`, each with one write.
pub(super) struct Lines<S, W> {
    control: LogControl,
    text: Box<dyn Layer<S> + Send + Sync>,
    writer: W,
}

impl<S, W> Lines<S, W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Clone + Send + Sync + 'static,
{
    pub(super) fn new(control: LogControl, writer: W) -> Self {
        let text = fmt::layer().with_writer(writer.clone()).with_ansi(false).with_target(false).boxed();
        Self { control, text, writer }
    }

    fn write_json(&self, event: &Event<'_>) {
        let mut line = LINE.take();
        line.clear();
        json::append(&mut line, event);
        // What does not get through is counted by whoever writes.
        let _ = self.writer.make_writer_for(event.metadata()).write_all(&line);
        LINE.set(line);
    }
}

impl<S, W> Layer<S> for Lines<S, W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Clone + Send + Sync + 'static,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.control.hears(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.control.hears(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.control.most_verbose())
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        match self.control.settings().format {
            LogFormat::Json => self.write_json(event),
            LogFormat::Text => self.text.on_event(event, context),
        }
    }
}

thread_local! {
    /// Memory for the line that is being put together.
    static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::telemetry::{LogLevel, LogSettings};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: LogFormat, log: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let control = LogControl::new(LogSettings { format, level: LogLevel::Info });
        let lines = Lines::new(control, move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), log);
        String::from_utf8(written.0.lock().clone()).unwrap()
    }

    #[test]
    fn json_lines_hold_every_field_that_has_a_value() {
        let text = written(LogFormat::Json, || {
            let (some, none) = (Some(1.5), None::<u64>);
            tracing::info!(
                number = -3,
                large = u64::MAX,
                some,
                none,
                infinite = f64::INFINITY,
                yes = true,
                quoted = "a\"b\n\u{1}",
                shown = %"c\"d",
                "what {}",
                "happened"
            );
            tracing::debug!("not heard");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        let time = line["timestamp"].as_str().unwrap();
        assert!(time.len() == 27 && time.ends_with('Z'), "{time}");
        let expected = serde_json::json!({
            "timestamp": time, "level": "INFO", "message": "what happened", "number": -3, "large": u64::MAX, "some": 1.5,
            "infinite": null, "yes": true, "quoted": "a\"b\n\u{1}", "shown": "c\"d",
        });
        assert_eq!(line, expected);
        assert_eq!(text.matches('\n').count(), 1);
    }

    #[test]
    fn text_lines_are_for_people() {
        let text = written(LogFormat::Text, || tracing::warn!(number = 3, "happened"));
        assert!(text.ends_with(" WARN happened number=3\n"), "{text}");
    }
}
