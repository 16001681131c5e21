//! The proxies, each with a recipe of `deploy/`.
#![allow(dead_code, unreachable_pub)]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, id};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{DEADLINE, Program};

/// What differs from the recipes, where it is no comment. In `{}` stands what is
/// known when the proxy starts: `folder` has the certificate, its key and the site
/// that was there already.
const REPLACED: [(&str, &str); 14] = [
    // nginx
    ("listen 443 ssl;", "listen {address} ssl;"),
    ("listen [::]:443 ssl;", ""),
    ("listen 80;", "listen {plain};"),
    ("listen [::]:80;", ""),
    ("90s;", "6s;"),
    // Apache
    ("*:443", "{address}"),
    ("*:80", "{plain}"),
    ("timeout=90", "timeout=6"),
    // Caddy, which would ask a certificate authority.
    (
        "\n{host} {",
        "\n{host}:{port} {\n\tbind {ip}\n\ttls {folder}/certificate.pem {folder}/key.pem",
    ),
    // All
    (
        "/etc/letsencrypt/live/{host}/fullchain.pem",
        "{folder}/certificate.pem",
    ),
    (
        "/etc/letsencrypt/live/{host}/privkey.pem",
        "{folder}/key.pem",
    ),
    ("/var/www/site", "{folder}/site"),
    ("/var/www/html", "{folder}/site"),
    ("127.0.0.1:7777", "{upstream}"),
];

/// What may not be left of them: nobody's own site is touched.
const FOREIGN: [&str; 6] = ["443", ":80", "/etc/letsencrypt", "/var/www", "7777", "90"];

/// A recipe.
pub struct Recipe {
    pub server: Server,
    pub file: &'static str,
    /// The name of the site in it.
    pub host: &'static str,
    /// Where the chat is.
    pub path: &'static str,
}

pub enum Server {
    Nginx,
    Apache,
    Caddy,
}

/// A proxy that runs, at an address of its own on the loopback, and is killed
/// when the test is over.
pub struct Proxy {
    program: Program,
    pub address: SocketAddr,
    /// Where it speaks HTTP without TLS.
    pub plain: SocketAddr,
}

impl Proxy {
    /// Starts a recipe in front of a server, and waits until it serves.
    pub fn start(recipe: &Recipe, folder: &Path, upstream: SocketAddr) -> Proxy {
        Proxy::start_with(recipe, folder, upstream, &[])
    }

    /// The same, where more is replaced before all else.
    pub fn start_with(
        recipe: &Recipe,
        folder: &Path,
        upstream: SocketAddr,
        more: &[(&str, &str)],
    ) -> Proxy {
        let (address, plain) = (free_address(), free_address());
        let own = folder.join(address.to_string());
        let known = |text: &str| {
            text.replace("{address}", &address.to_string())
                .replace("{plain}", &plain.to_string())
                .replace("{ip}", &address.ip().to_string())
                .replace("{port}", &address.port().to_string())
                .replace("{host}", recipe.host)
                .replace("{folder}", folder.to_str().expect("UTF-8"))
                .replace("{own}", own.to_str().expect("UTF-8"))
                .replace("{upstream}", &upstream.to_string())
        };
        let mut site = text_of(recipe);
        for (text, other) in more {
            assert!(site.contains(text), "{text} in {}", recipe.file);
            site = site.replace(text, &known(other));
        }
        for (text, other) in REPLACED {
            site = site.replace(&known(text), &known(other));
        }
        fs::create_dir(&own).expect("a folder");
        let main = own.join("main.conf");
        fs::write(own.join("site.conf"), site).expect("a file");
        fs::write(&main, known(&recipe.server.main(recipe))).expect("a file");
        let mut program = Program::spawn(&mut recipe.server.command(&main));
        let deadline = Instant::now() + DEADLINE;
        while TcpStream::connect(address).is_err() {
            if program.has_ended() {
                panic!("{}: {:#?}", recipe.file, program.wait());
            }
            assert!(Instant::now() < deadline, "{} serves", recipe.file);
            thread::sleep(Duration::from_millis(10));
        }
        Proxy {
            program,
            address,
            plain,
        }
    }
}

/// What a recipe has besides comments. What it would do to this machine is among
/// what is replaced.
fn text_of(recipe: &Recipe) -> String {
    let text = read(recipe);
    let lines = text.lines();
    let lines = lines.filter(|line| !line.trim_start().starts_with('#'));
    let text = lines.fold(String::new(), |text, line| text + "\n" + line);
    // Longer than the server is silent: what is replaced here has to be there.
    let patience = match recipe.server {
        Server::Nginx => "proxy_read_timeout 90s;",
        Server::Apache => "timeout=90",
        Server::Caddy => "",
    };
    assert!(text.contains(patience), "{patience} in {}", recipe.file);
    let mut left = text.clone();
    for (text, _) in REPLACED {
        left = left.replace(&text.replace("{host}", recipe.host), "");
    }
    for foreign in FOREIGN {
        assert!(!left.contains(foreign), "{foreign} in {}", recipe.file);
    }
    text
}

fn read(recipe: &Recipe) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    fs::read_to_string(folder.join(recipe.file)).expect("a recipe")
}

impl Server {
    fn command(&self, main: &Path) -> Command {
        let mut command = Command::new(match self {
            Server::Nginx => "/usr/sbin/nginx",
            Server::Apache => "/usr/sbin/apache2",
            Server::Caddy => "/usr/bin/caddy",
        });
        let folder = main.parent().expect("a folder");
        match self {
            Server::Nginx => command.args(["-e", "stderr", "-c"]).arg(main),
            // One process, which is killed with its name.
            Server::Apache => command.args(["-X", "-f"]).arg(main),
            Server::Caddy => command
                .args(["run", "--adapter", "caddyfile", "--config"])
                .arg(main)
                .env("HOME", folder)
                .env_remove("XDG_DATA_HOME")
                .env_remove("XDG_CONFIG_HOME"),
        };
        command
    }

    /// What Debian has around the file of a site.
    fn main(&self, recipe: &Recipe) -> String {
        match self {
            Server::Nginx => "
                daemon off;
                # One process, which is killed with its name.
                master_process off;
                pid {own}/pid;
                error_log stderr;
                events { worker_connections 1024; }
                http {
                    access_log off;
                    ssl_protocols TLSv1.2 TLSv1.3;
                    include /etc/nginx/mime.types;
                    client_body_temp_path {own}/temporary;
                    proxy_temp_path {own}/temporary;
                    fastcgi_temp_path {own}/temporary;
                    uwsgi_temp_path {own}/temporary;
                    scgi_temp_path {own}/temporary;
                    include {own}/site.conf;
                }"
            .to_owned(),
            Server::Apache => {
                let mut text = "
                    ServerRoot {own}
                    ServerName localhost
                    PidFile {own}/pid
                    ErrorLog /dev/stderr
                    Mutex file:{own}
                    Listen {address}
                    Listen {plain}
                    # For where it is started as root.
                    User www-data
                    Group www-data\n"
                    .to_owned();
                let mut modules = enabled_modules(recipe);
                // What Debian enables, and a site that has TLS already.
                for name in ["mpm_event", "authz_core", "dir", "mime", "alias", "ssl"] {
                    if !modules.iter().any(|enabled| enabled == name) {
                        modules.push(name.to_owned());
                    }
                }
                for name in modules {
                    let file = format!("/usr/lib/apache2/modules/mod_{name}.so");
                    text += &format!("LoadModule {name}_module {file}\n");
                }
                text + "TypesConfig /etc/mime.types\nInclude {own}/site.conf\n"
            }
            Server::Caddy => "{
                    admin off
                    auto_https disable_redirects
                    servers {
                        protocols h1 h2
                    }
                }
                import {own}/site.conf"
                .to_owned(),
        }
    }
}

/// The modules that a recipe for Apache says to enable.
fn enabled_modules(recipe: &Recipe) -> Vec<String> {
    let text = read(recipe);
    let mut lines = text.lines();
    let enabled = lines.find_map(|line| Some(line.split_once("a2enmod ")?.1));
    let names = enabled.expect("modules to enable").split(' ');
    names.map(str::to_owned).collect()
}

/// An address of the loopback that no other test has, with a free port.
pub fn free_address() -> SocketAddr {
    static NUMBER: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = id().to_be_bytes();
    let ip = Ipv4Addr::new(127, high, low, NUMBER.fetch_add(1, Ordering::Relaxed));
    let listener = TcpListener::bind((ip, 0)).expect("a free port");
    listener.local_addr().expect("its address")
}

pub const NGINX_SUBDOMAIN: Recipe = Recipe {
    server: Server::Nginx,
    file: "nginx-subdomain.conf",
    host: "chat.example",
    path: "/",
};

pub const NGINX_PATH: Recipe = Recipe {
    server: Server::Nginx,
    file: "nginx-path.conf",
    host: "site.example",
    path: "/chat/",
};

pub const APACHE_SUBDOMAIN: Recipe = Recipe {
    server: Server::Apache,
    file: "apache-subdomain.conf",
    host: "chat.example",
    path: "/",
};

pub const APACHE_PATH: Recipe = Recipe {
    server: Server::Apache,
    file: "apache-path.conf",
    host: "site.example",
    path: "/chat/",
};

pub const CADDY_SUBDOMAIN: Recipe = Recipe {
    server: Server::Caddy,
    file: "caddy-subdomain.Caddyfile",
    host: "chat.example",
    path: "/",
};

pub const CADDY_PATH: Recipe = Recipe {
    server: Server::Caddy,
    file: "caddy-path.Caddyfile",
    host: "site.example",
    path: "/chat/",
};
