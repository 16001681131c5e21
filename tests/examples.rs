//! What README and the recipes show of a site that speaks and names its members,
//! run as it is shown, with curl and PHP.
#![cfg(feature = "site")]
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/ends.rs"]
mod ends;

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{Program, run};
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SHOWN: &str = "http://127.0.0.1:7777";

#[test]
fn curl_does_all_that_the_readme_shows() {
    let site = Site::start("curl", &[]);
    let mut ann = site.program.chat(&json!({"type": "hello", "name": "Ann"}));
    let id = ann.1["id"].as_str().unwrap().to_owned();
    let readme = fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    let shown = readme.split("### Let a site speak").nth(1).unwrap();
    let shown = shown.split("```").nth(1).unwrap();
    let shown = shown
        .replace("\\\n", "")
        .replace("members/ID", &format!("members/{id}"));
    let mut answers = Vec::new();
    for line in shown.lines().filter(|line| line.starts_with("curl ")) {
        let line = line
            .replace("curl ", "curl -sS --fail-with-body --noproxy '*' ")
            .replace(SHOWN, &site.url());
        let command = format!("cd {} && {line}", site.folder.display());
        let output = sh(&command);
        assert!(output.status.success(), "{line}: {output:?}");
        answers.push(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null));
    }
    let [open, paid, rooms, room, history, removed, sent_out, closed] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!(
        (&open["text"], &open["from"]["name"]),
        (&json!("The shop is open"), &json!("site"))
    );
    assert_eq!(
        (&paid["text"], &paid["from"]["name"]),
        (&json!("Order 17 was paid"), &json!("Shop"))
    );
    assert_eq!(rooms["rooms"], json!([{"room": "lobby", "count": 1}]));
    assert_eq!(room["members"][0]["name"], "Ann");
    assert_eq!(history["entries"], json!([open, paid]));
    assert_eq!(
        (&removed["type"], &removed["seq"]),
        (&json!("removed"), &json!(1))
    );
    assert_eq!((sent_out, closed), (&Value::Null, &Value::Null));
    for answer in [open, paid, removed] {
        assert_eq!(hear(&mut ann.0, answer["type"].as_str().unwrap()), *answer);
    }
    loop {
        match ann.0.read().unwrap() {
            Message::Close(frame) => {
                assert_eq!(u16::from(frame.unwrap().code), 4503);
                break;
            }
            other => assert!(!other.to_string().contains("\"left\"")),
        }
    }
}

#[test]
fn php_says_something_once_however_often_it_is_called() {
    let site = Site::start("php-say", &[]);
    let (mut ann, _) = site.program.chat(&json!({"type": "hello", "name": "Ann"}));
    let script = site.php("say.php");
    let say = |arguments: &str| {
        let code = format!(
            "require '{}'; echo json_encode(veche_say({arguments}));",
            script.display()
        );
        Command::new("php")
            .args(["-r", &code])
            .output()
            .expect("php is installed")
    };
    for _ in 0..2 {
        let output = say("'Lobby', 'Заказ <17>', 'Магазин', 'order-17'");
        assert!(output.status.success(), "{output:?}");
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (&said["seq"], &said["text"]),
            (&json!(1), &json!("Заказ <17>"))
        );
    }
    say("'lobby', 'the next'");
    assert_eq!(hear(&mut ann, "message")["text"], "Заказ <17>");
    assert_eq!(hear(&mut ann, "message")["text"], "the next");
    let refused = say("'lobby', 'x', 'Ann'");
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stdout) + String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("Somebody else has this name."), "{told}");
}

#[test]
fn php_names_a_member_by_a_token() {
    let site = Site::start("php-token", &["--require-token"]);
    let script = site.php("token.php");
    let token = |arguments: &str| {
        let code = format!(
            "require '{}'; echo veche_token({arguments});",
            script.display()
        );
        let output = Command::new("php").args(["-r", &code]).output();
        let output = output.expect("php is installed");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let hello = json!({"type": "hello", "token": token("7, 'Åsa <b>', 'editor'")});
    let (_, welcome) = site.program.chat(&hello);
    assert_eq!(
        (&welcome["name"], &welcome["role"]),
        (&json!("Åsa <b>"), &json!("editor"))
    );
    let again = json!({"type": "hello", "token": token("'7', 'Åsa'")});
    assert_eq!(site.program.chat(&again).1["id"], welcome["id"]);
    let expired = json!({"type": "hello", "token": token("7, 'Åsa', null, -1")});
    let url = format!("ws://{}/ws", site.program.address());
    for refused in [expired, json!({"type": "hello", "name": "Guest"})] {
        let (mut client, _) = tungstenite::client(&url, site.program.connect()).unwrap();
        client.send(Message::text(refused.to_string())).unwrap();
        let Message::Close(Some(close)) = client.read().unwrap() else {
            panic!("a Close");
        };
        assert_eq!(u16::from(close.code), 4500, "{close}");
    }
}

#[test]
fn cron_says_what_the_crontab_has_it_say() {
    let site = Site::start("cron", &[]);
    let (mut ann, _) = site.program.chat(&json!({"type": "hello", "name": "Ann"}));
    let crontab = fs::read_to_string(format!("{ROOT}/deploy/site/crontab")).unwrap();
    let jobs = crontab.lines().filter(|line| line.contains("curl"));
    let mut count = 0;
    for job in jobs {
        // Five fields of time and a user; `%` is escaped for cron alone.
        let words: Vec<&str> = job.split_whitespace().collect();
        let command = words[6..]
            .join(" ")
            .replace("\\%", "%")
            .replace("curl ", "curl --noproxy '*' ");
        for _ in 0..2 {
            let mut shell = Command::new("sh");
            shell.args(["-c", &command]).env("VECHE_URL", site.url());
            let output = shell.env("VECHE_HEADER", site.header()).output().unwrap();
            assert!(output.status.success(), "{job}: {output:?}");
        }
        count += 1;
    }
    assert_eq!(count, 2);
    let said = hear(&mut ann, "message");
    assert!(
        said["text"]
            .as_str()
            .unwrap()
            .starts_with("Good morning, it is ")
    );
    assert_eq!(
        (&said["from"]["name"], &said["seq"]),
        (&json!("Clock"), &json!(1))
    );
    let history = sh(&format!(
        "curl -sf --noproxy '*' -H {} {}/api/rooms/admins/messages",
        site.header(),
        site.url(),
    ));
    let history: Value = serde_json::from_slice(&history.stdout).unwrap();
    assert_eq!(history["entries"].as_array().unwrap().len(), 1);
    assert!(
        history["entries"][0]["text"]
            .as_str()
            .unwrap()
            .contains('%')
    );
}

#[test]
fn each_wrong_secret_is_one_line_with_its_remedy() {
    let folder = folder("secrets");
    let file = |name: &str, content: &str| {
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let short = file("short", "0123456789012345678901234567890\n");
    let long = file("long", &"x".repeat(1_100));
    let spaced = file("spaced", "0123456789 0123456789 0123456789 0123456789");
    let missing = folder.join("missing");
    for option in ["--api-token-file", "--jwt-secret-file"] {
        for (path, told) in [
            (&missing, "cannot be read"),
            (&short, "openssl rand -hex 32"),
            (&long, "the secret and nothing else"),
            (&folder, "cannot be read"),
        ] {
            assert_refused(&run(&[option, path.to_str().unwrap()]), 1, &[option, told]);
        }
    }
    // As does whoever looks without serving.
    #[cfg(feature = "config")]
    {
        let ended = run(&[
            "--check-config",
            "--jwt-secret-file",
            short.to_str().unwrap(),
        ]);
        assert_refused(&ended, 1, &["--jwt-secret-file"]);
    }
    let ended = run(&["--api-token-file", spaced.to_str().unwrap()]);
    assert_refused(&ended, 1, &["--api-token-file", "other characters"]);
    assert_refused(&run(&["--require-token"]), 2, &["--jwt-secret-file"]);
}

fn assert_refused(ended: &common::Ended, status: i32, told: &[&str]) {
    assert_eq!(ended.status.code(), Some(status), "{ended:?}");
    let [error] = &ended.errors[..] else {
        panic!("not one line: {ended:?}");
    };
    assert!(told.iter().all(|part| error.contains(part)), "{error}");
}

/// The chat, and what its site shares with it.
struct Site {
    folder: PathBuf,
    program: Program,
}

impl Site {
    fn start(name: &str, arguments: &[&str]) -> Site {
        let folder = folder(name);
        for secret in ["api-token", "jwt-secret"] {
            let made = sh(&format!(
                "openssl rand -hex 32 > {}/{secret}",
                folder.display()
            ));
            assert!(made.status.success(), "openssl is installed");
        }
        let header = "echo \"Authorization: Bearer $(cat api-token)\" > api-header";
        let made = sh(&format!("cd {} && {header}", folder.display()));
        assert!(made.status.success(), "{made:?}");
        let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let (token, secret) = (file("api-token"), file("jwt-secret"));
        let files = ["--api-token-file", &token, "--jwt-secret-file", &secret];
        let program = Program::start(&[&files, arguments].concat());
        Site { folder, program }
    }

    fn url(&self) -> String {
        format!("http://{}", self.program.address())
    }

    /// The header with the token, as curl takes it.
    fn header(&self) -> String {
        format!("@{}/api-header", self.folder.display())
    }

    /// A script of the recipe, with the places of this test in it.
    fn php(&self, name: &str) -> PathBuf {
        let script = fs::read_to_string(format!("{ROOT}/deploy/site/{name}")).unwrap();
        let script = script
            .replace(SHOWN, &self.url())
            .replace("/etc/veche", self.folder.to_str().unwrap());
        let path = self.folder.join(name);
        fs::write(&path, script).unwrap();
        path
    }
}

impl Program {
    /// Somebody in the lobby, and the welcome.
    fn chat(&self, hello: &Value) -> (WebSocket<TcpStream>, Value) {
        let url = format!("ws://{}/ws", self.address());
        let (mut client, _) = tungstenite::client(url, self.connect()).unwrap();
        client.send(Message::text(hello.to_string())).unwrap();
        let welcome = hear(&mut client, "welcome");
        let join = json!({"type": "join", "room": "lobby"}).to_string();
        client.send(Message::text(join)).unwrap();
        hear(&mut client, "joined");
        (client, welcome)
    }
}

/// The next of that type.
fn hear(client: &mut WebSocket<TcpStream>, kind: &str) -> Value {
    loop {
        let Message::Text(text) = client.read().unwrap() else {
            continue;
        };
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_ne!(answer["type"], "error", "{answer}");
        if answer["type"] == kind {
            return answer;
        }
    }
}

fn sh(command: &str) -> Output {
    Command::new("sh").args(["-c", command]).output().unwrap()
}

/// A folder of a test's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("site-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}
