//! TCP sockets of processes, by proc(5).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One TCP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Its own end.
    pub local: SocketAddr,
    /// The other end; port 0 where it listens.
    pub remote: SocketAddr,
    /// What it is at.
    pub state: SocketState,
}

/// What a socket is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketState {
    /// It accepts connections.
    Listening,
    /// It is connected, or on the way there or back.
    Connected,
}

impl Socket {
    /// Whether both ends are on loopback; an IPv4 address in IPv6's clothes counts as what it is.
    pub fn is_loopback(&self) -> bool {
        let on_loopback = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
        on_loopback(&self.local) && (self.state == SocketState::Listening || on_loopback(&self.remote))
    }
}

/// The sockets of these processes, in the caller's network namespace.
pub fn sockets_of(processes: &BTreeSet<i32>) -> Vec<Socket> {
    let inodes: BTreeSet<String> = processes
        .iter()
        .filter_map(|pid| std::fs::read_dir(format!("/proc/{pid}/fd")).ok())
        .flatten()
        .flatten()
        .filter_map(|descriptor| {
            let target = std::fs::read_link(descriptor.path()).ok()?;
            let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().skip(1).map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            inodes.contains(*fields.get(9)?).then(|| Socket {
                local: address(fields[1]),
                remote: address(fields[2]),
                state: if fields[3] == "0A" {
                    SocketState::Listening
                } else {
                    SocketState::Connected
                },
            })
        })
        .collect()
}

/// `0100007F:1F90`: 32-bit words in the machine's byte order, as hex.
fn address(text: &str) -> SocketAddr {
    let (words, port) = text.split_once(':').unwrap();
    let bytes: Vec<u8> = (0..words.len())
        .step_by(8)
        .flat_map(|at| u32::from_str_radix(&words[at..at + 8], 16).unwrap().to_ne_bytes())
        .collect();
    let ip: IpAddr = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => Ipv4Addr::from(four).into(),
        Err(_) => Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).unwrap()).into(),
    };
    SocketAddr::new(ip, u16::from_str_radix(port, 16).unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_addresses_are_read() {
        let sockets = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let own = BTreeSet::from([i32::try_from(std::process::id()).unwrap()]);
        let found = sockets_of(&own);
        let listening = found
            .iter()
            .find(|socket| socket.local == sockets.local_addr().unwrap())
            .unwrap();
        assert!(listening.state == SocketState::Listening && listening.is_loopback());
        let everywhere = std::net::TcpListener::bind("[::]:0").unwrap();
        let port = everywhere.local_addr().unwrap().port();
        let found = sockets_of(&own);
        assert!(
            found
                .iter()
                .any(|socket| socket.local.port() == port && !socket.is_loopback())
        );
    }
}
