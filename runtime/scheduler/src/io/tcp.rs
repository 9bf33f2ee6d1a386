//! TCP streams and listeners.
//!
//! Invariant: a stream that `connect` returned is connected, and its sending is not delayed.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;

use super::evented::Evented;
use crate::core::WaitsFor;
use crate::os::{self, Readiness};
use crate::time::Instant;

/// A connected stream. It may be used on another worker than before, or on any other thread, one call at a time.
#[derive(Debug)]
pub struct TcpStream {
    evented: Evented<mio::net::TcpStream>,
    deadline: Option<Instant>,
}

impl TcpStream {
    /// Connects, or fails once the deadline has passed. No delay before sending small pieces.
    pub fn connect(address: SocketAddr, deadline: Option<Instant>) -> io::Result<TcpStream> {
        let mut stream = TcpStream::new(mio::net::TcpStream::connect(address)?);
        // Readiness may be reported before the connection stands, so the socket is asked each time.
        stream.evented.until_done(Readiness::Writable, WaitsFor::Outside, deadline, |stream| {
            if let Some(error) = stream.take_error()? {
                return Err(error);
            }
            match stream.peer_addr() {
                Err(error) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
                Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Err(io::ErrorKind::WouldBlock.into()),
                connected => connected,
            }
        })?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn new(stream: mio::net::TcpStream) -> TcpStream {
        TcpStream { evented: Evented::new(stream), deadline: None }
    }

    /// Until when `Read` and `Write` wait from now on; then they fail with `TimedOut`. Without one they wait for ever.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// Whether the other side has neither closed the connection nor sent anything. Never waits. For a connection on which nothing
    /// is expected.
    pub fn is_open(&self) -> bool {
        matches!(self.evented.get().peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Whether small pieces are sent at once.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.evented.get().set_nodelay(nodelay)
    }

    /// Makes closing it a reset of the connection, whatever the other side has not read yet.
    pub fn reset_when_closed(&self) -> io::Result<()> {
        os::linger_not(self.evented.get().as_fd())
    }

    /// Closes one direction or both.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.evented.get().shutdown(how)
    }

    /// The other side's address.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.evented.get().peer_addr()
    }

    /// This side's address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.evented.get().local_addr()
    }

    fn read_with<T>(&mut self, read: impl FnMut(&mut mio::net::TcpStream) -> io::Result<T>) -> io::Result<T> {
        self.evented.until_done(Readiness::Readable, WaitsFor::Outside, self.deadline, read)
    }

    fn write_with<T>(&mut self, write: impl FnMut(&mut mio::net::TcpStream) -> io::Result<T>) -> io::Result<T> {
        self.evented.until_done(Readiness::Writable, WaitsFor::Outside, self.deadline, write)
    }
}

impl Read for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_with(|stream| stream.read(buffer))
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.read_with(|stream| stream.read_vectored(buffers))
    }
}

impl Write for TcpStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_with(|stream| stream.write(bytes))
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_with(|stream| stream.write_vectored(buffers))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Connections that stand before they are accepted; thousands may come at once. The system may have a lower bound of its own.
const BACKLOG: i32 = 4_096;

/// Waits for connections.
#[derive(Debug)]
pub struct TcpListener(Evented<mio::net::TcpListener>);

impl TcpListener {
    /// Listens at the address; port zero takes any free one.
    pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
        let listener = mio::net::TcpListener::bind(address)?;
        os::listen(listener.as_fd(), BACKLOG)?;
        Ok(TcpListener(Evented::new(listener)))
    }

    /// The next connection and the other side's address. Virtual time passes while it waits.
    pub fn accept(&mut self, deadline: Option<Instant>) -> io::Result<(TcpStream, SocketAddr)> {
        let accepted = self.0.until_done(Readiness::Readable, WaitsFor::Inside, deadline, |listener| listener.accept());
        accepted.map(|(stream, address)| (TcpStream::new(stream), address))
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get().local_addr()
    }
}
