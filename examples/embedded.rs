//! A node inside another program: joins a running cluster, writes, reads, and leaves again.
//!
//! ```sh
//! cargo run --release -- demo                              # in one terminal
//! cargo run --example embedded -- 127.0.0.1:7379           # in another
//! ```
//!
//! The demonstration uses this user's development key; another cluster's key is read from the file
//! given as the second argument.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use chickadee::{ClusterKey, Node};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let seed = args.next().ok_or("usage: embedded SEED [CLUSTER_KEY_FILE]")?;
    let file = args.next().map(PathBuf::from).or_else(development_key);
    let file = file.ok_or("no home directory: give a cluster key file")?;
    let text =
        std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;

    let node = Node::builder(ClusterKey::parse_file_text(&text)?)
        .name(format!("embedded-{}", std::process::id()))
        .listen("127.0.0.1:0".parse()?)
        .seed(seed)
        .max_memory(64 << 20)
        .start()
        .await?;
    tokio::time::timeout(Duration::from_secs(10), node.await_ready()).await??;
    println!("{} is ready; the members are:", node.name());
    for member in node.members().await? {
        println!("  {} at {}, {}", member.name, member.addr, member.state.word());
    }

    let cache = node.cache();
    cache.insert("greeting", "hello from inside a program", None).await?;
    cache.insert("short-lived", "gone in a second", Some(Duration::from_secs(1))).await?;
    for key in ["greeting", "short-lived", "never-written"] {
        match cache.get(key).await? {
            Some(value) => println!("{key} = {}", String::from_utf8_lossy(&value)),
            None => println!("{key} is not there"),
        }
    }

    // The others keep what this node owned; without this they would find out by themselves.
    node.restart().await;
    println!("left; `redis-cli get greeting` still finds it");
    Ok(())
}

/// Where `chickadee demo` and `chickadee serve` keep the key that they use on loopback.
fn development_key() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".config"));
    let base = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home)?;
    Some(base.join("chickadee").join("dev.key"))
}
