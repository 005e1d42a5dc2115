//! A contestant that runs: started from its recipe, held to what it is to do, loaded, and looked at.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use memchr::memmem;
use tokio::net::TcpSocket;

use super::caller::{self, Caller};
use super::process::Process;
use super::recipe::{Credential, Log, Recipe};
use super::setting::{Setting, claims, place};
use super::system::{address, reserve};

pub struct Contestant {
    pub recipe: Recipe,
    pub version: String,
    pub process: Process,
    /// Requests that were answered with 200.
    pub answered: u64,
    /// Connections to it that stay.
    pub callers: Vec<Caller>,
    /// The token B that it acquired, where that is its own.
    own_token: Option<String>,
    address: String,
    log: Option<PathBuf>,
    _port: TcpSocket,
}

impl Contestant {
    /// Starts it and waits until it serves; an error says why it cannot take part.
    pub async fn start(recipe: Recipe, setting: &Setting) -> Result<Self, String> {
        let program = recipe.program.clone().ok_or("not installed")?;
        let directory = setting.directory.join(recipe.slug);
        fs::create_dir_all(&directory).unwrap();
        let port = reserve();
        let address = address(&port);
        let fill = values(setting, &address, &directory);
        for (name, template) in recipe.files {
            fs::write(directory.join(name), fill(template)).unwrap();
        }
        let mut command = Command::new(&program);
        command.args(recipe.arguments.iter().map(|argument| fill(argument))).current_dir(&directory);
        // The number of threads that run Go at once; the others are told by their configuration.
        command.env("GOMAXPROCS", setting.workers.to_string()).stdin(Stdio::null());
        command.stdout(output(&directory.join("output"), &recipe));
        command.stderr(File::create(directory.join("errors")).unwrap());
        let process = Process::start(&mut command).map_err(|error| format!("does not start: {error}"))?;
        let log = match recipe.log {
            Log::None => None,
            Log::Output => Some(directory.join("output")),
            Log::File => Some(directory.join("access.log")),
        };
        let version = version(&program, recipe.version);
        let (callers, own_token) = (Vec::new(), None);
        let mut contestant =
            Self { recipe, version, process, answered: 0, callers, own_token, address, log, _port: port };
        contestant.wait_until_served(&caller::request(&setting.token_a), &directory).await?;
        Ok(contestant)
    }

    async fn wait_until_served(&mut self, request: &[u8], directory: &Path) -> Result<(), String> {
        let mut last = "never listened".to_owned();
        let begun = Instant::now();
        while begun.elapsed() < LONGEST_START && self.process.runs() {
            match Caller::connect(&self.address).await {
                Ok(mut caller) => match caller.call(request).await {
                    Ok(()) => {
                        self.answered += 1;
                        return Ok(());
                    }
                    Err(error) => last = error,
                },
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let errors = fs::read_to_string(directory.join("errors")).unwrap_or_default();
        Err(format!("does not serve: {last}\n{errors}"))
    }

    /// The bearer token that the target receives for one with token A.
    pub async fn token_sent(&mut self, setting: &Setting) -> String {
        setting.target.keep_next();
        let mut caller = Caller::connect(&self.address).await.unwrap();
        let answered = caller.call(&caller::request(&setting.token_a)).await;
        answered.unwrap_or_else(|error| panic!("{}: {error}", self.recipe.name));
        self.answered += 1;
        let token = setting.target.kept_token();
        token.unwrap_or_else(|| panic!("{}: the target received not one bearer token", self.recipe.name))
    }

    /// Asserts that the target receives the right token and no other, and opens connections for the load.
    pub async fn prepare(&mut self, setting: &Setting, connections: usize) {
        let token = self.token_sent(setting).await;
        if self.recipe.sends == Credential::OwnTokenB {
            self.own_token = Some(token.clone());
            assert_eq!(claims(&token)["aud"], claims(setting.token_b())["aud"], "token B is for the target");
        }
        assert_eq!(token, self.token_expected(setting), "what the target receives from {}", self.recipe.name);
        self.callers = caller::connect(&self.address, connections).await;
    }

    /// `HOST:PORT`
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn token_expected<'s>(&'s self, setting: &'s Setting) -> &'s str {
        match self.recipe.sends {
            Credential::TokenA => &setting.token_a,
            Credential::TokenB => setting.token_b(),
            Credential::OwnTokenB => self.own_token.as_deref().unwrap_or_default(),
        }
    }

    /// Ends it, and tells how many of the requests that it answered are missing in its log.
    pub fn lines_lost(&mut self) -> Option<i64> {
        self.process.stop();
        let lines = BufReader::new(File::open(self.log.as_ref()?).ok()?).split(b'\n').map_while(Result::ok);
        let written = lines.filter(|line| memmem::find(line, MARK).is_some()).count();
        Some(i64::try_from(self.answered).unwrap() - i64::try_from(written).unwrap())
    }
}

/// What its standard output goes to. Where only latencies matter it overwrites what is in memory already, as where a system
/// has run for a while: a virtual machine stands still while it gets memory that it has never touched.
fn output(path: &Path, recipe: &Recipe) -> File {
    let mut output = File::create(path).unwrap();
    if recipe.is_confined && recipe.log == Log::Output {
        io::copy(&mut io::repeat(b'\n').take(TOUCHED), &mut output).unwrap();
        output.sync_data().unwrap();
        output.rewind().unwrap();
    }
    output
}

/// Fills in what stands between `@` in templates.
fn values(setting: &Setting, address: &str, directory: &Path) -> impl Fn(&str) -> String + use<> {
    let mut values = setting.values();
    values.extend(place(["@listen@", "@host@", "@port@"], address));
    values.push(("@directory@", directory.to_str().unwrap().to_owned()));
    values.push(("@public_key@", setting.emulator.public_key_pem()));
    move |template| values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// The first word that looks like the number of a version, in what the program says about itself.
fn version(program: &Path, arguments: &[&str]) -> String {
    if arguments.is_empty() {
        return pingora_version();
    }
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).replace(&*program.to_string_lossy(), "");
    let words = text.split(|letter: char| letter.is_whitespace() || letter == '/');
    let is_number = |word: &str| word.split_once('.').is_some_and(|(major, _)| major.parse::<u32>().is_ok());
    words.map(|word| word.trim_start_matches('v')).find(|word| is_number(word)).unwrap_or("unknown").to_owned()
}

fn pingora_version() -> String {
    let lock = include_str!("../../Cargo.lock");
    let version = lock.split("\nname = \"pingora\"\nversion = \"").nth(1);
    version.and_then(|rest| rest.split('"').next()).unwrap_or("unknown").to_owned()
}

/// How long a contestant may take to serve its first request.
const LONGEST_START: Duration = Duration::from_secs(20);
/// More than is logged while latencies are measured, in bytes.
const TOUCHED: u64 = 512 * 1024 * 1024;
/// What each line of each log has of the request.
const MARK: &[u8] = b"/orders/1";
