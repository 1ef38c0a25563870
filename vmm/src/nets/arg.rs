//! What `--net` says.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use devices::virtio::net::{MOST_PAIRS, MacAddress};

use super::mac;

/// A network card as the user wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetArg {
    pub(super) way: Way,
    /// Its address, if the user says it.
    pub(super) mac: Option<MacAddress>,
    /// Its driver is to use the bridge's translation.
    pub(super) is_translated: bool,
}

/// What it is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// What this user may do, by passt.
    User(Vec<Forward>),
    /// A tap interface.
    Tap { name: String, queues: u16 },
}

/// Which transport a port belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Udp,
}

/// A port of the host that leads to one of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Forward {
    pub(super) transport: Transport,
    pub(super) host: SocketAddr,
    pub(super) guest: u16,
}

const WAYS: &str = "give user or tap=NAME first, such as user,hostfwd=tcp:2222-22";

const OPTIONS: &str = "the options of user are hostfwd=tcp|udp:[ADDRESS:]PORT-GUESTPORT, those of tap=NAME queues=N, and of both \
    mac=XX:XX:XX:XX:XX:XX and iommu=on|off";

/// Their names; there are no others.
pub(crate) const OPTION_NAMES: [&str; 4] = ["hostfwd", "queues", "mac", "iommu"];

impl FromStr for NetArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split(',');
        let way = match words
            .next()
            .and_then(|first| first.split_once('=').or(Some((first, ""))))
        {
            Some(("user", "")) => Way::User(Vec::new()),
            Some(("tap", name)) if !name.is_empty() => Way::Tap {
                name: name.to_owned(),
                queues: 1,
            },
            _ => return Err(WAYS.into()),
        };
        let mut arg = Self {
            way,
            mac: None,
            is_translated: false,
        };
        words.try_for_each(|word| arg.set(word))?;
        Ok(arg)
    }
}

impl NetArg {
    /// Sets one option.
    fn set(&mut self, word: &str) -> Result<(), String> {
        match (&mut self.way, word.split_once('=').unwrap_or((word, ""))) {
            (_, (name, _)) if !OPTION_NAMES.contains(&name) => return Err(format!("`{word}`: {OPTIONS}")),
            (_, ("mac", address)) => {
                let address = mac::parse(address);
                self.mac = Some(address.ok_or_else(|| {
                    format!("`{word}`: give six bytes, of which the first is even, such as 52:54:00:12:34:56")
                })?);
            }
            (_, ("iommu", "on")) => self.is_translated = true,
            (_, ("iommu", "off")) => self.is_translated = false,
            (Way::User(forwards), ("hostfwd", forward)) => {
                let forward = parse_forward(forward);
                forwards.push(forward.ok_or_else(|| {
                    format!("`{word}`: give hostfwd=tcp|udp:[ADDRESS:]PORT-GUESTPORT, such as hostfwd=tcp:2222-22")
                })?);
            }
            (Way::Tap { queues, .. }, ("queues", number)) => {
                let number = number
                    .parse()
                    .ok()
                    .filter(|number| (1..=MOST_PAIRS).contains(&usize::from(*number)));
                *queues = number.ok_or_else(|| format!("`{word}`: give a number from 1 to {MOST_PAIRS}"))?;
            }
            _ => return Err(format!("`{word}`: {OPTIONS}")),
        }
        Ok(())
    }
}

/// A forward, as `tcp:2222-22` or `udp:[::1]:53-53`.
fn parse_forward(text: &str) -> Option<Forward> {
    let (transport, ports) = text.split_once(':')?;
    let transport = match transport {
        "tcp" => Transport::Tcp,
        "udp" => Transport::Udp,
        _ => return None,
    };
    let (host, guest) = ports.rsplit_once('-')?;
    // Whoever wants others to reach the guest says so.
    let host = match host.parse() {
        Ok(port) => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
        Err(_) => host.parse().ok()?,
    };
    let guest = guest.parse().ok()?;
    (host.port() > 0 && guest > 0).then_some(Forward { transport, host, guest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> NetArg {
        text.parse().unwrap()
    }

    #[test]
    fn ways_and_options_are_what_they_say() {
        assert_eq!(net("user").way, Way::User(Vec::new()));
        let Way::User(forwards) =
            net("user,hostfwd=tcp:2222-22,hostfwd=udp:0.0.0.0:53-5353,hostfwd=tcp:[::1]:80-8080").way
        else {
            panic!();
        };
        let forward = |transport, host: &str, guest| Forward {
            transport,
            host: host.parse().unwrap(),
            guest,
        };
        let expected = [
            forward(Transport::Tcp, "127.0.0.1:2222", 22),
            forward(Transport::Udp, "0.0.0.0:53", 5353),
            forward(Transport::Tcp, "[::1]:80", 8080),
        ];
        assert_eq!(forwards, expected);
        let tap = net("tap=tap0,queues=4,mac=52:54:00:12:34:56,iommu=on");
        assert_eq!(
            tap.way,
            Way::Tap {
                name: "tap0".into(),
                queues: 4
            }
        );
        assert_eq!(tap.mac, Some(MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56])));
        assert!(tap.is_translated && !net("user").is_translated);
    }

    #[test]
    fn what_is_wrong_is_told_what_would_be_right() {
        for (text, right) in [
            ("", "user or tap=NAME"),
            ("tap", "user or tap=NAME"),
            ("tap=", "user or tap=NAME"),
            ("user=me", "user or tap=NAME"),
            ("bridge=br0", "user or tap=NAME"),
            ("user,queues=2", "those of tap=NAME queues=N"),
            ("tap=x,hostfwd=tcp:1-1", "the options of user are hostfwd"),
            ("tap=x,queues=0", "1 to 8"),
            ("tap=x,queues=9", "1 to 8"),
            ("user,mac=52:54:00:12:34", "such as 52:54:00:12:34:56"),
            ("user,mac=01:00:00:00:00:01", "the first is even"),
            ("user,hostfwd=2222-22", "hostfwd=tcp:2222-22"),
            ("user,hostfwd=tcp:2222", "hostfwd=tcp:2222-22"),
            ("user,hostfwd=tcp:0-22", "hostfwd=tcp:2222-22"),
            ("user,hostfwd=tcp:2222-0", "hostfwd=tcp:2222-22"),
            ("user,hostfwd=tcp:65536-22", "hostfwd=tcp:2222-22"),
            ("user,hostfwd=sctp:2222-22", "hostfwd=tcp:2222-22"),
            ("user,hostfwd=tcp:example.org:2222-22", "hostfwd=tcp:2222-22"),
            ("user,iommu=maybe", "iommu=on|off"),
            ("user,", "the options of user"),
        ] {
            let said = text.parse::<NetArg>().unwrap_err();
            assert!(said.contains(right), "{text}: {said}");
        }
    }
}
