//! Streams, listeners, pipes and children, on real loopback sockets.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use vega_scheduler::io::{PipeReader, PipeWriter, TcpListener, TcpStream, wait_child};
use vega_scheduler::{is_killed, now};

use crate::support::{begin, receive, run, with_workers};

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// A listener that never accepts: whoever connects waits for an answer for ever.
fn silent() -> (std::net::TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind(loopback()).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn a_server_and_its_clients_talk_on_one_worker() {
    const CLIENTS: usize = 50;
    let scheduler = with_workers(1);
    let mut listener = TcpListener::bind(loopback()).unwrap();
    let address = listener.local_addr().unwrap();
    let remote = scheduler.remote().clone();
    let server = begin(scheduler.remote(), move |_| {
        let answered: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (mut stream, _) = listener.accept(None).unwrap();
                begin(&remote, move |_| {
                    let mut request = [0; 4];
                    stream.read_exact(&mut request).unwrap();
                    request.reverse();
                    stream.write_all(&request).unwrap();
                })
            })
            .collect();
        answered.len()
    });
    let clients: Vec<_> = (0..CLIENTS as u32)
        .map(|number| {
            begin(scheduler.remote(), move |_| {
                let mut stream = TcpStream::connect(address, None).unwrap();
                stream.write_all(&number.to_be_bytes()).unwrap();
                let mut answer = [0; 4];
                stream.read_exact(&mut answer).unwrap();
                (number, u32::from_le_bytes(answer))
            })
        })
        .collect();
    for client in &clients {
        let (number, answer) = receive(client);
        assert_eq!(number, answer);
    }
    assert_eq!(receive(&server), CLIENTS);
}

#[test]
fn more_bytes_than_the_buffers_hold_go_through() {
    const BYTES: usize = 8 << 20;
    let scheduler = with_workers(2);
    let mut listener = TcpListener::bind(loopback()).unwrap();
    let address = listener.local_addr().unwrap();
    let reader = begin(scheduler.remote(), move |_| {
        let (mut stream, _) = listener.accept(None).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    });
    run(scheduler.remote(), move |_| {
        let bytes: Vec<u8> = (0..BYTES).map(|place| (place % 251) as u8).collect();
        TcpStream::connect(address, None).unwrap().write_all(&bytes).unwrap();
    });
    let bytes = receive(&reader);
    assert_eq!(bytes.len(), BYTES);
    assert!(bytes.iter().enumerate().all(|(place, &byte)| byte == (place % 251) as u8));
}

#[test]
fn a_read_without_an_answer_times_out() {
    let scheduler = with_workers(1);
    let (_listener, address) = silent();
    let error = run(scheduler.remote(), move |_| {
        let mut stream = TcpStream::connect(address, None).unwrap();
        stream.set_deadline(Some(now() + Duration::from_millis(5)));
        stream.read(&mut [0]).unwrap_err()
    });
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn a_blocked_read_can_be_cancelled_from_another_thread() {
    let scheduler = with_workers(1);
    let (listener, address) = silent();
    let (sender, receiver) = channel();
    let ended = begin(scheduler.remote(), move |worker| {
        let native = worker.enter_native();
        let mut stream = TcpStream::connect(address, None).unwrap();
        sender.send(native.token()).unwrap();
        stream.read(&mut [0]).unwrap_err()
    });
    let (mut accepted, _) = listener.accept().unwrap();
    scheduler.remote().cancel_native(receive(&receiver));
    assert!(is_killed(&receive(&ended)));
    assert_eq!(accepted.read(&mut [0]).unwrap(), 0, "the killed native's socket is closed");
}

#[test]
fn a_refused_connection_is_an_error() {
    let scheduler = with_workers(1);
    let (listener, address) = silent();
    drop(listener);
    let error = run(scheduler.remote(), move |_| TcpStream::connect(address, None).unwrap_err());
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_stream_goes_on_on_another_worker() {
    let scheduler = with_workers(2);
    let (listener, address) = silent();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut byte = [0];
        while stream.read(&mut byte).unwrap() == 1 {
            stream.write_all(&[byte[0] + 1]).unwrap();
        }
    });
    let mut stream = Some(run(scheduler.remote(), move |_| TcpStream::connect(address, None).unwrap()));
    let mut visited = [0; 2];
    // Posts name the worker; the job they push is that worker's own and nobody else is free to steal it in time or not, so
    // where it ran is recorded.
    for step in 0..200_u8 {
        let mut moving = stream.take().unwrap();
        let (sender, receiver) = channel();
        let job = crate::support::Job::once(1, move |worker| {
            moving.write_all(&[step]).unwrap();
            let mut answer = [0];
            moving.read_exact(&mut answer).unwrap();
            sender.send((worker.index(), answer[0], moving)).unwrap();
        });
        scheduler
            .remote()
            .post(usize::from(step) % 2, Box::new(move |worker| worker.push(job, vega_scheduler::Priority::Normal)));
        let (worker, answer, back) = receive(&receiver);
        assert_eq!(answer, step + 1);
        visited[worker] += 1;
        stream = Some(back);
    }
    assert!(visited.iter().all(|&count| count > 10), "{visited:?}");
    drop(stream);
    peer.join().unwrap();
}

#[test]
fn a_stream_knows_whether_it_is_open_without_waiting() {
    let (listener, address) = silent();
    let stream = TcpStream::connect(address, None).unwrap();
    assert!(stream.is_open());
    let (accepted, _) = listener.accept().unwrap();
    drop(accepted);
    // Off a worker a read blocks until the close has come, and then the answer must be no.
    let mut stream = stream;
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert!(!stream.is_open());
}

#[test]
fn a_child_is_talked_to_and_waited_for_while_others_run() {
    let scheduler = with_workers(1);
    let (answer, success) = run(scheduler.remote(), |_| {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut writer = PipeWriter::new(child.stdin.take().unwrap()).unwrap();
        let mut reader = PipeReader::new(child.stdout.take().unwrap()).unwrap();
        writer.write_all(b"hello").unwrap();
        let mut answer = [0; 5];
        reader.read_exact(&mut answer).unwrap();
        drop(writer);
        wait_child(child.id(), None).unwrap();
        (answer, child.try_wait().unwrap().unwrap().success())
    });
    assert_eq!(&answer, b"hello");
    assert!(success);
}

#[test]
fn waiting_for_a_child_can_time_out() {
    let scheduler = with_workers(1);
    let kind = run(scheduler.remote(), |_| {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let error = wait_child(child.id(), Some(now() + Duration::from_millis(5))).unwrap_err();
        child.kill().unwrap();
        wait_child(child.id(), None).unwrap();
        child.wait().unwrap();
        error.kind()
    });
    assert_eq!(kind, io::ErrorKind::TimedOut);
}
