//! The Redis port of a node that is still joining: taken, but not yet open.
//!
//! A port that another process listens on has to be told at once, not after seconds of joining; but
//! a socket that listens and does not accept would leave clients hanging where a refusal lets them
//! try another node. So the address is bound at the start, and listened to when the node may serve.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted; more are refused by the system.
const BACKLOG: i32 = 1024;

/// A bound address.
pub(super) struct Door {
    socket: Socket,
    wanted: SocketAddr,
    flag: String,
}

/// Why the address could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for Redis clients on {addr}: {source}; {flag} says where")]
pub(super) struct DoorError {
    addr: SocketAddr,
    flag: String,
    source: io::Error,
}

impl Door {
    /// Binds the address, which the setting `flag` gave.
    pub(super) fn bind(addr: SocketAddr, flag: String) -> Result<Door, DoorError> {
        let bind = || {
            let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
            // A restarted node takes its port back although old connections linger.
            socket.set_reuse_address(true)?;
            socket.set_nonblocking(true)?;
            socket.bind(&addr.into())?;
            Ok(socket)
        };
        match bind() {
            Ok(socket) => Ok(Door { socket, wanted: addr, flag }),
            Err(source) => Err(DoorError { addr, flag, source }),
        }
    }

    /// Begins to listen. The address may have been taken meanwhile, by a process that listened
    /// first.
    pub(super) fn open(self) -> Result<(TcpListener, SocketAddr), DoorError> {
        let Door { socket, wanted, flag } = self;
        let open = || {
            socket.listen(BACKLOG)?;
            let listener = TcpListener::from(socket);
            let addr = listener.local_addr()?;
            Ok((listener, addr))
        };
        open().map_err(|source| DoorError { addr: wanted, flag, source })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_bound_door_refuses_and_an_open_one_accepts() {
        let door = Door::bind("127.0.0.1:0".parse().unwrap(), "--resp".to_owned()).unwrap();
        let addr = door.socket.local_addr().unwrap().as_socket().unwrap();
        let refused = TcpStream::connect(addr).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let (_listener, open) = door.open().unwrap();
        assert_eq!(open, addr);
        TcpStream::connect(addr).unwrap();
        let error = Door::bind(addr, "--resp".to_owned()).err().unwrap().to_string();
        assert!(error.contains(&addr.to_string()) && error.contains("--resp"), "{error}");
    }
}
