//! Everything that the proxy logs in this process, at its most talkative level.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use obo_proxy::telemetry::{LogFormat, LogLevel, LogSettings, install_to};

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static INSTALL: Once = Once::new();

/// Captures the log from now on.
pub fn capture() {
    INSTALL.call_once(|| {
        let settings = LogSettings { format: LogFormat::Json, level: LogLevel::Debug };
        install_to(settings, || Capture).unwrap();
    });
}

/// All that was logged so far by all tests of this process.
pub fn captured() -> String {
    String::from_utf8_lossy(&lines()).into_owned()
}

/// How much was logged so far, in bytes.
pub fn length() -> usize {
    lines().len()
}

/// What was logged by all tests of this process since there was so much.
pub fn captured_since(length: usize) -> String {
    String::from_utf8_lossy(&lines()[length..]).into_owned()
}

/// The lines that contain `text`, as JSON.
pub fn lines_with(text: &str) -> Vec<serde_json::Value> {
    captured().lines().filter(|line| line.contains(text)).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The access line of the request with this ID; it is written when the request is over.
pub async fn access_line(request_id: &str) -> serde_json::Value {
    let quoted = format!("\"request_id\":\"{request_id}\"");
    let mut line = serde_json::Value::Null;
    super::eventually("the request is logged", async || {
        line = lines_with(&quoted).into_iter().find(|line| line["message"] == "request").unwrap_or_default();
        !line.is_null()
    })
    .await;
    line
}

struct Capture;

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lines().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lines() -> MutexGuard<'static, Vec<u8>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}
