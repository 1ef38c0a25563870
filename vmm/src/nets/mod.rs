//! The guest's network cards and sockets: what `--net` and `--vsock` say of each, and from that to devices.

mod arg;
mod mac;
mod passt;
mod vsock;

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use devices::net::Port;
use devices::net::passt::Stream;
use devices::net::tap::Tap;
use devices::virtio::Fittings;
use devices::virtio::net::{Host, Net};
use tap_device::{Queue, Queues, TUN};

use arg::Way;
pub(crate) use arg::{NetArg, OPTION_NAMES};
pub(crate) use passt::PROGRAM as PASST;
use passt::PasstError;
pub(crate) use vsock::{VsockArg, vsock};

use crate::terminal;
use crate::virtio::Virtual;

/// The most bytes of a packet to passt, which it gives to the host in parts of the right size: what its own DHCP says, for guests that
/// do not ask it.
const PASST_MTU: u16 = 65_520;

/// The MTU that a guest takes without being told.
const USUAL_MTU: u16 = 1500;

/// A network card that cannot be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetError {
    /// The user network.
    #[error("--net user")]
    User(#[from] PasstError),
    /// A tap interface.
    #[error("--net tap={name}: {advice}")]
    Tap {
        /// The interface.
        name: String,
        /// What is wrong with it, and what would be right.
        advice: &'static str,
        #[source]
        why: io::Error,
    },
    /// What every card needs.
    #[error("--net")]
    Host(#[source] io::Error),
}

/// The same, and which card.
#[derive(Debug)]
pub(crate) struct CardError {
    number: usize,
    why: NetError,
}

impl CardError {
    /// Which of the cards it is; the first has the number 0.
    pub(crate) fn number(&self) -> usize {
        self.number
    }
}

impl fmt::Display for CardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl Error for CardError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.why.source()
    }
}

/// Connects the cards, in the guest's order.
///
/// # Errors
/// What one of them is to be connected to is not there, or not for this user.
pub(crate) fn open(nets: &[NetArg]) -> Result<Vec<Virtual>, CardError> {
    let each = nets.iter().enumerate();
    each.map(|(number, arg)| connect(number, arg).map_err(|why| CardError { number, why }))
        .collect()
}

fn connect(number: usize, arg: &NetArg) -> Result<Virtual, NetError> {
    let (host, place) = match &arg.way {
        Way::User(forwards) => (user(passt::start(forwards)?)?, format!("user {number}")),
        Way::Tap { name, queues } => (tap(name, *queues)?, format!("tap {name}")),
    };
    let mac = arg.mac.unwrap_or_else(|| mac::of(&place));
    let fittings = Fittings {
        name: format!("net {number}"),
        is_translated: arg.is_translated,
        report: Box::new(|line| terminal::say(&format!("pteg: {line}"))),
    };
    Ok(Virtual {
        device: Arc::new(Net::new(mac, host)),
        fittings,
    })
}

/// The host's side of a card on passt.
fn user(socket: std::os::unix::net::UnixStream) -> Result<Host, NetError> {
    Ok(Host {
        ports: vec![Box::new(Stream::new(socket).map_err(NetError::Host)?)],
        has_offloads: false,
        mtu: Some(PASST_MTU),
        lost: Box::new(|why| {
            terminal::say(&format!(
                "pteg: --net user: passt is gone ({why}); the guest's link is down"
            ));
        }),
    })
}

/// The host's side of a card on a tap interface.
fn tap(name: &str, queues: u16) -> Result<Host, NetError> {
    let refused = |why: io::Error| NetError::Tap {
        name: name.to_owned(),
        advice: advice(&why, queues),
        why,
    };
    let several = || (0..queues).map(|_| Queue::open(name, Queues::Several)).collect();
    let opened: io::Result<Vec<Queue>> = match queues {
        // One queue of an interface for several is as good.
        1 => Queue::open(name, Queues::One)
            .map(|queue| vec![queue])
            .or_else(|why| match why.kind() {
                io::ErrorKind::InvalidInput => several(),
                _ => Err(why),
            }),
        _ => several(),
    };
    let ports = opened
        .map_err(refused)?
        .into_iter()
        .map(|queue| Box::new(Tap::new(queue)) as Box<dyn Port>);
    let mtu = tap_device::mtu(name).map_err(refused)?;
    let lost = {
        let name = name.to_owned();
        move |why| {
            terminal::say(&format!(
                "pteg: --net tap={name}: it is gone ({why}); the guest's link is down"
            ));
        }
    };
    Ok(Host {
        ports: ports.collect(),
        has_offloads: true,
        mtu: u16::try_from(mtu).ok().filter(|&mtu| mtu != USUAL_MTU),
        lost: Box::new(lost),
    })
}

/// What to do about `why`.
fn advice(why: &io::Error, queues: u16) -> &'static str {
    match why.kind() {
        io::ErrorKind::NotFound if !Path::new(TUN).exists() => "there is no /dev/net/tun; modprobe tun makes it",
        io::ErrorKind::NotFound => {
            "there is no such interface; `ip tuntap add NAME mode tap user YOU` makes one (as root), with multi_queue for queues=N"
        }
        io::ErrorKind::PermissionDenied => {
            "it is not yours; `ip tuntap add NAME mode tap user YOU` makes one that is (as root)"
        }
        io::ErrorKind::ResourceBusy => "another program has it; give each guest an interface of its own",
        io::ErrorKind::InvalidInput if queues > 1 => {
            "it is no tap interface for several queues; `ip tuntap add NAME mode tap multi_queue` makes one"
        }
        io::ErrorKind::InvalidInput => "it is no tap interface; `ip tuntap add NAME mode tap` makes one",
        _ => "it cannot be opened",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_not_there_is_told_how_to_make_it() {
        let arg: NetArg = "tap=pteg-none".parse().unwrap();
        let Err(error) = open(&[arg]) else {
            panic!("there is none");
        };
        let said = error.to_string();
        assert!(
            said.starts_with("--net tap=pteg-none: there is no ") && said.contains("makes "),
            "{said}"
        );
    }

    #[test]
    fn each_mistake_has_its_own_advice() {
        let kinds = [
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::ResourceBusy,
            io::ErrorKind::InvalidInput,
        ];
        let mut said: Vec<_> = kinds.map(|kind| advice(&kind.into(), 1)).to_vec();
        said.push(advice(&io::ErrorKind::InvalidInput.into(), 2));
        said.push(advice(&io::ErrorKind::Other.into(), 2));
        said.sort_unstable();
        said.dedup();
        assert_eq!(said.len(), 5);
    }
}
