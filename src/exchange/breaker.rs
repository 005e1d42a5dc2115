//! A breaker for one token endpoint: after a row of outages it is asked by one request at a time, until it answers.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::digest::Digest;

/// The breaker of one token endpoint.
#[derive(Debug)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug)]
enum State {
    /// Everybody may ask. The row of outages so far: whose requests they met.
    Closed { row: Vec<Option<Digest>> },
    /// Nobody may ask before `until`.
    Open { until: Instant, pause: Duration },
    /// One request is on its way to find out.
    Probing { pause: Duration, given_up: Instant },
}

/// What a request found out about an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// It answered, whatever it was.
    Answers,
    /// It did not answer at all.
    Silent,
    /// It answered the request of this caller with a fault of its own: that may concern this caller alone, so each
    /// caller counts once.
    Faulty(Digest),
}

/// What a finding changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// From now on nobody asks for so long.
    Opened(Duration),
    /// From now on everybody may ask again.
    Closed,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State::Closed { row: Vec::new() }))
    }

    /// Whether a request may go to the endpoint. Whoever may has to report what it found.
    ///
    /// # Errors
    /// How long to wait.
    pub(super) fn admit(&self) -> Result<(), Duration> {
        let now = Instant::now();
        let mut state = self.0.lock();
        let (pause, free_at) = match &*state {
            State::Closed { .. } => return Ok(()),
            State::Open { until, pause } => (*pause, *until),
            State::Probing { pause, given_up } => (*pause, *given_up),
        };
        if now < free_at {
            let probing = matches!(&*state, State::Probing { .. });
            return Err(if probing { pause } else { free_at - now });
        }
        *state = State::Probing { pause, given_up: now + PROBE_LIMIT };
        Ok(())
    }

    /// Takes note of what a request found.
    pub(super) fn report(&self, finding: Finding) -> Option<Change> {
        let mut state = self.0.lock();
        let failed_by = match finding {
            Finding::Answers => {
                let was_closed = matches!(&*state, State::Closed { .. });
                *state = State::Closed { row: Vec::new() };
                return (!was_closed).then_some(Change::Closed);
            }
            Finding::Silent => None,
            Finding::Faulty(caller) => Some(caller),
        };
        let pause = match &mut *state {
            State::Closed { row } => {
                if failed_by.is_none() || !row.contains(&failed_by) {
                    row.push(failed_by);
                }
                if row.len() < THRESHOLD {
                    return None;
                }
                FIRST_PAUSE
            }
            // A request from before the breaker opened has nothing new to say.
            State::Open { .. } => return None,
            State::Probing { pause, .. } => (*pause * 2).min(LONGEST_PAUSE),
        };
        let pause = pause.mul_f64(1.0 - JITTER * fastrand::f64());
        *state = State::Open { until: Instant::now() + pause, pause };
        Some(Change::Opened(pause))
    }
}

/// So many attempts without an answer, one after the other, open the breaker.
const THRESHOLD: usize = 10;

/// How long nobody asks at first; each failed probe doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How long nobody asks at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// The share by which a pause may be shorter, so that many proxies do not ask at one moment.
const JITTER: f64 = 0.1;

/// A probe that has not reported for so long is given up: no exchange takes longer.
const PROBE_LIMIT: Duration = Duration::from_secs(61);

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(n: u8) -> Digest {
        Digest::of(&[n])
    }

    fn opened() -> Breaker {
        let breaker = Breaker::new();
        for n in 1..=THRESHOLD {
            breaker.admit().unwrap();
            assert_eq!(breaker.report(Finding::Silent).is_some(), n == THRESHOLD);
        }
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn a_row_of_outages_holds_everybody_back_for_a_while() {
        let breaker = opened();
        let wait = breaker.admit().unwrap_err();
        assert!(wait <= FIRST_PAUSE && wait >= FIRST_PAUSE.mul_f64(1.0 - JITTER), "{wait:?}");
        tokio::time::advance(FIRST_PAUSE).await;
        assert_eq!(breaker.admit(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_ends_the_row() {
        let breaker = Breaker::new();
        for _ in 0..10 {
            (1..THRESHOLD).for_each(|_| assert_eq!(breaker.report(Finding::Silent), None));
            assert_eq!(breaker.report(Finding::Answers), None);
        }
        assert_eq!(breaker.admit(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_faults_that_one_caller_meets_hold_back_nobody() {
        let breaker = Breaker::new();
        (0..100).for_each(|_| assert_eq!(breaker.report(Finding::Faulty(caller(1))), None));
        assert_eq!(breaker.admit(), Ok(()));
        (2..10).for_each(|n| assert_eq!(breaker.report(Finding::Faulty(caller(n))), None));
        assert!(matches!(breaker.report(Finding::Faulty(caller(10))), Some(Change::Opened(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn one_request_probes_and_its_finding_decides() {
        let breaker = opened();
        tokio::time::advance(FIRST_PAUSE).await;
        assert_eq!(breaker.admit(), Ok(()));
        assert!(breaker.admit().is_err() && breaker.admit().is_err(), "one probe at a time");
        assert!(matches!(breaker.report(Finding::Silent), Some(Change::Opened(pause)) if pause > FIRST_PAUSE));
        tokio::time::advance(FIRST_PAUSE * 2).await;
        assert_eq!(breaker.admit(), Ok(()));
        assert_eq!(breaker.report(Finding::Answers), Some(Change::Closed));
        (0..3).for_each(|_| assert_eq!(breaker.admit(), Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn the_pause_grows_to_a_bound() {
        let breaker = opened();
        let mut longest = Duration::ZERO;
        for _ in 0..20 {
            tokio::time::advance(LONGEST_PAUSE).await;
            breaker.admit().unwrap();
            let Some(Change::Opened(pause)) = breaker.report(Finding::Silent) else { panic!() };
            longest = longest.max(pause);
        }
        assert!(longest <= LONGEST_PAUSE && longest > LONGEST_PAUSE / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_never_reports_is_given_up() {
        let breaker = opened();
        tokio::time::advance(FIRST_PAUSE).await;
        assert_eq!(breaker.admit(), Ok(()));
        tokio::time::advance(PROBE_LIMIT).await;
        assert_eq!(breaker.admit(), Ok(()));
    }
}
