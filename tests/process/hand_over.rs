//! A new process takes the sockets over from the old one, or fails to, and no caller notices either.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use obo_proxy::emulator::TokenRequest;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::program::{Program, command};
use crate::support::raw::Connection;
use crate::support::{World, client, eventually, file, get};

const TAKEN_OVER: &str = "the new program has taken over";
const NOT_TAKEN_OVER: &str = "not handed over; this program goes on";

/// A program whose configuration can be changed, and that has a successor some time.
struct Scene {
    world: World,
    program: Program,
    configuration: PathBuf,
}

impl Scene {
    async fn start() -> Self {
        Self::with(|configuration, _| configuration).await
    }

    /// With a configuration that `edit` has the last word about.
    async fn with(edit: impl Fn(String, &World) -> String) -> Self {
        let world = World::start().await;
        // A new process knows no token yet, and on a busy machine an exchange may take long: that is not what fails here.
        let text = world.configuration("drain_timeout: 30s").replace(" timeout: 2s", " timeout: 50s");
        let configuration = file(&edit(text, &world));
        let mut program = Program::start(command(&["run", "--config", configuration.to_str().unwrap()]));
        let serving = program.line_with("message", "serving").await;
        program.url = format!("http://{}", serving["listen"].as_str().unwrap());
        program.admin = format!("http://{}", serving["admin"].as_str().unwrap());
        program.wait_until_ready().await;
        Self { world, program, configuration }
    }

    /// Asks for a successor, and waits until it is the `count`th to have taken over.
    async fn hand_over(&self, process: u64, count: usize) -> u64 {
        signal(process, "USR2");
        let lines = || self.program.lines_with("message", TAKEN_OVER);
        eventually("a new program has taken over", async || lines().len() == count).await;
        lines()[count - 1]["pid"].as_u64().unwrap()
    }

    fn process(&self) -> u64 {
        u64::from(self.program.id())
    }
}

fn signal(process: u64, name: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status().unwrap();
    assert!(status.success(), "{name} {process}");
}

fn is_running(process: u64) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Callers that ask without a pause until they are told to stop; each must get its answer each time.
struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    callers: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(scene: &Scene) -> Self {
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let caller = |turn: usize| {
            let token = scene.world.emulator.mint(&TokenRequest::default().user(&format!("user-{turn}")));
            let (stop, answers) = (Arc::clone(&stop), Arc::clone(&answers));
            let url = format!("{}/orders/1", scene.program.url);
            tokio::spawn(async move {
                // Every second caller opens a connection for each request.
                let kept = client();
                let mut failures = Vec::new();
                while !stop.load(Ordering::Acquire) {
                    let client = if turn.is_multiple_of(2) { kept.clone() } else { client() };
                    match client.get(&url).bearer_auth(&token).send().await {
                        Ok(answer) => {
                            let status = answer.status();
                            let body = answer.bytes().await;
                            if status != 200 || body.is_err() {
                                failures.push(format!("{status} {body:?}"));
                            }
                        }
                        Err(error) => failures.push(format!("{error:?}")),
                    }
                    answers.fetch_add(1, Ordering::AcqRel);
                }
                failures
            })
        };
        let callers = (0..6).map(caller).collect();
        Self { stop, answers, callers }
    }

    /// Waits until this many more answers have come.
    async fn go_on(&self, more: usize) {
        let goal = self.answers.load(Ordering::Acquire) + more;
        eventually("answers go on", async || self.answers.load(Ordering::Acquire) >= goal).await;
    }

    async fn failures(self) -> Vec<String> {
        self.stop.store(true, Ordering::Release);
        let mut failures = Vec::new();
        for caller in self.callers {
            failures.extend(caller.await.unwrap());
        }
        failures
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_while_new_processes_take_over() {
    let mut scene = Scene::start().await;
    let load = Load::start(&scene);
    let mut process = scene.process();
    for turn in 1..=2 {
        load.go_on(30).await;
        let next = scene.hand_over(process, turn).await;
        load.go_on(30).await;
        eventually("the old process leaves", async || !is_running(process)).await;
        assert!(is_running(next));
        process = next;
    }
    load.go_on(30).await;
    let ready = get(&format!("{}/readyz", scene.program.admin), "").await.unwrap();
    assert_eq!(ready.status, 200);
    assert_eq!(load.failures().await, Vec::<String>::new());
    signal(process, "TERM");
    assert_eq!(scene.program.ended().await.code(), Some(0));
    assert_eq!(
        scene.program.lines_with("message", "left with nothing in flight").len(),
        3,
        "{}",
        scene.program.stdout()
    );
    assert!(scene.program.stderr().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_finished_by_the_old_process() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", target.local_addr().unwrap());
    let mut scene = Scene::with(|text, world| text.replace(world.target.url(), &url)).await;
    let mut connection = Connection::open(scene.program.address()).await;
    connection.send_get("/orders/1", &scene.world.token()).await;
    let (mut asked, _) = target.accept().await.unwrap();
    let next = scene.hand_over(scene.process(), 1).await;
    assert_eq!(scene.program.get("/nowhere", "").await.status, 404, "the new one serves");
    asked.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    let header = connection.header_section().await.to_ascii_lowercase();
    assert!(header.starts_with("http/1.1 200") && header.contains("\r\nconnection: close\r\n"), "{header}");
    signal(next, "TERM");
    assert_eq!(scene.program.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_process_that_fails_changes_nothing() {
    let mut scene = Scene::start().await;
    let good = std::fs::read(&scene.configuration).unwrap();
    let load = Load::start(&scene);
    std::fs::write(&scene.configuration, "routes: []\n").unwrap();
    scene.program.signal("USR2");
    scene.program.line_with("message", NOT_TAKEN_OVER).await;
    load.go_on(20).await;
    assert!(scene.program.is_running());
    let failed = scene.program.metric("obo_proxy_hand_overs_total{outcome=\"failure\"}").await;
    assert_eq!(failed, Some(1.0));
    std::fs::write(&scene.configuration, good).unwrap();
    let next = scene.hand_over(scene.process(), 1).await;
    load.go_on(20).await;
    assert_eq!(load.failures().await, Vec::<String>::new());
    signal(next, "TERM");
    scene.program.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_process_that_is_not_ready_is_ended_with_the_old_one() {
    let mut scene = Scene::start().await;
    let token = scene.world.token();
    assert_eq!(scene.program.get("/orders/1", &token).await.status, 200);
    // The new one finds no identity provider, and so no keys; the old one remembers this caller.
    scene.world.emulator.stop();
    scene.world.emulator.stopped().await;
    scene.program.signal("USR2");
    eventually("the new one has begun", async || scene.program.lines_with("message", "serving").len() == 2).await;
    for _ in 0..4 {
        assert_eq!(scene.program.get("/orders/1", &token).await.status, 200);
    }
    scene.program.signal("TERM");
    // Its output ends only when both have ended.
    assert_eq!(scene.program.ended().await.code(), Some(0));
    assert!(TcpStream::connect(scene.program.address()).await.is_err());
}
