//! A DNS server that answers by script, in raw packets.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// Query types.
pub(super) const A: u16 = 1;
pub(super) const AAAA: u16 = 28;

const CNAME: u16 = 5;

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) name: String,
    pub(super) kind: u16,
    pub(super) is_tcp: bool,
}

/// What the server makes of it.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// These records, with such a TTL in seconds.
    Records(u32, Vec<IpAddr>),
    /// Another name with a TTL, and its records.
    Alias(u32, &'static str, u32, Vec<IpAddr>),
    /// No record and this response code.
    Code(u8),
    /// Nothing, and that the rest does not fit.
    Truncated,
    Silence,
}

/// Records of the asked family among `addresses`.
pub(super) fn of_family(question: &Question, ttl: u32, addresses: &[&str]) -> Reply {
    let addresses = addresses.iter().map(|text| text.parse::<IpAddr>().unwrap());
    Reply::Records(ttl, addresses.filter(|address| address.is_ipv6() == (question.kind == AAAA)).collect())
}

/// It stops when it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<Question>>>,
    _tasks: JoinSet<()>,
}

type Script = Arc<dyn Fn(&Question) -> Reply + Send + Sync>;

impl Server {
    pub(super) async fn following(script: impl Fn(&Question) -> Reply + Send + Sync + 'static) -> Self {
        let (script, asked): (Script, _) = (Arc::new(script), Arc::<Mutex<Vec<_>>>::default());
        let (udp, tcp) = both("127.0.0.1:0").await;
        let address = udp.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, script.clone(), asked.clone()));
        tasks.spawn(serve_tcp(tcp, script, asked.clone()));
        Server { address, asked, _tasks: tasks }
    }

    pub(super) fn asked(&self) -> Vec<Question> {
        self.asked.lock().unwrap().clone()
    }

    /// The names asked for, each once, in order.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.asked().into_iter().map(|question| question.name).collect();
        names.dedup();
        names
    }
}

/// Both protocols on one port.
async fn both(address: &str) -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind(address).await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}

async fn serve_udp(socket: UdpSocket, script: Script, asked: Arc<Mutex<Vec<Question>>>) {
    let mut buffer = [0; 1024];
    loop {
        let (count, from) = socket.recv_from(&mut buffer).await.unwrap();
        if let Some(answer) = answer(&buffer[..count], false, &script, &asked) {
            socket.send_to(&answer, from).await.unwrap();
        }
    }
}

async fn serve_tcp(listener: TcpListener, script: Script, asked: Arc<Mutex<Vec<Question>>>) {
    let mut streams = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        streams.spawn(serve_stream(stream, script.clone(), asked.clone()));
    }
}

async fn serve_stream(mut stream: TcpStream, script: Script, asked: Arc<Mutex<Vec<Question>>>) {
    while let Ok(count) = stream.read_u16().await {
        let mut query = vec![0; count.into()];
        stream.read_exact(&mut query).await.unwrap();
        if let Some(answer) = answer(&query, true, &script, &asked) {
            let length = u16::try_from(answer.len()).unwrap();
            stream.write_all(&[&length.to_be_bytes()[..], &answer].concat()).await.unwrap();
        }
    }
}

fn answer(query: &[u8], is_tcp: bool, script: &Script, asked: &Mutex<Vec<Question>>) -> Option<Vec<u8>> {
    let (mut name, mut at) = (String::new(), 12);
    while query[at] > 0 {
        let end = at + 1 + usize::from(query[at]);
        name += &String::from_utf8_lossy(&query[at + 1..end]).to_ascii_lowercase();
        name.push('.');
        at = end;
    }
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    let question = Question { name, kind, is_tcp };
    asked.lock().unwrap().push(question.clone());
    let (mut flags, mut code, mut records, mut count) = (0x80, 0, Vec::new(), 0u16);
    let owner = match script(&question) {
        Reply::Silence => return None,
        Reply::Code(number) => {
            code = number;
            None
        }
        Reply::Truncated => {
            flags |= 0x02;
            None
        }
        Reply::Records(ttl, addresses) => Some((vec![0xc0, 12], ttl, addresses)),
        Reply::Alias(alias_ttl, target, ttl, addresses) => {
            let target = wire(target);
            push(&mut records, &[0xc0, 12], CNAME, alias_ttl, &target);
            count += 1;
            Some((target, ttl, addresses))
        }
    };
    for (owner, ttl, address) in
        owner.iter().flat_map(|(owner, ttl, all)| all.iter().map(move |one| (owner, ttl, one)))
    {
        match address {
            IpAddr::V4(address) => push(&mut records, owner, A, *ttl, &address.octets()),
            IpAddr::V6(address) => push(&mut records, owner, AAAA, *ttl, &address.octets()),
        }
        count += 1;
    }
    let [high, low] = count.to_be_bytes();
    let head = [query[0], query[1], flags | (query[2] & 1), 0x80 | code, 0, 1, high, low, 0, 0, 0, 0];
    Some([&head[..], &query[12..at + 5], &records].concat())
}

fn push(records: &mut Vec<u8>, owner: &[u8], kind: u16, ttl: u32, data: &[u8]) {
    records.extend_from_slice(owner);
    records.extend_from_slice(&kind.to_be_bytes());
    records.extend_from_slice(&[0, 1]);
    records.extend_from_slice(&ttl.to_be_bytes());
    records.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
    records.extend_from_slice(data);
}

fn wire(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}
