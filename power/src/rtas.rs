//! Run-time abstraction services (LoPAR, RTAS Call Definition): which calls this machine has, under which
//! token, and what they answer.

macro_rules! calls {
    ($($(#[$doc:meta])* $variant:ident = $token:literal, $name:literal;)*) => {
        /// A RTAS call that this machine implements.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum RtasCall {
            $($(#[$doc])* $variant,)*
        }

        impl RtasCall {
            /// Every call, by token.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The call that a guest's token names.
            pub const fn from_token(token: u32) -> Option<Self> {
                match token {
                    $($token => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The token, as the property of the `/rtas` node holds it. Ours to choose: the guest
            /// only repeats it.
            pub const fn token(self) -> u32 {
                match self {
                    $(Self::$variant => $token,)*
                }
            }

            /// The name of the property of the `/rtas` node.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

calls! {
    /// Writes one byte to the console.
    DisplayCharacter = 1, "display-character";
    /// Ends the machine.
    PowerOff = 2, "power-off";
    /// Starts the machine anew.
    SystemReboot = 3, "system-reboot";
    /// Starts a stopped processor.
    StartCpu = 4, "start-cpu";
    /// Stops the calling processor.
    StopSelf = 5, "stop-self";
    /// Whether a processor is stopped.
    QueryCpuStoppedState = 6, "query-cpu-stopped-state";
    /// Reads the clock.
    GetTimeOfDay = 7, "get-time-of-day";
    /// Sets the clock.
    SetTimeOfDay = 8, "set-time-of-day";
    /// Reads a system parameter.
    GetSystemParameter = 9, "ibm,get-system-parameter";
    /// Sets a system parameter.
    SetSystemParameter = 10, "ibm,set-system-parameter";
    /// Sets server and priority of an interrupt source.
    SetXive = 11, "ibm,set-xive";
    /// Reads server and priority of an interrupt source.
    GetXive = 12, "ibm,get-xive";
    /// Masks an interrupt source.
    IntOff = 13, "ibm,int-off";
    /// Unmasks an interrupt source.
    IntOn = 14, "ibm,int-on";
    /// The operating system has died of the given message.
    OsTerm = 15, "ibm,os-term";
    /// Polls for error logs.
    EventScan = 16, "event-scan";
    /// Asks for the error log of an interrupt.
    CheckException = 17, "check-exception";
    /// Loads from PCI configuration space of the one host bridge.
    ReadPciConfig = 18, "read-pci-config";
    /// Stores to it.
    WritePciConfig = 19, "write-pci-config";
    /// Loads from PCI configuration space of a host bridge.
    IbmReadPciConfig = 20, "ibm,read-pci-config";
    /// Stores to it.
    IbmWritePciConfig = 21, "ibm,write-pci-config";
    /// Changes how many message signalled interrupts a PCI function has.
    ChangeMsi = 22, "ibm,change-msi";
    /// The number of the source of a PCI function's interrupt.
    QueryInterruptSourceNumber = 23, "ibm,query-interrupt-source-number";
    /// Reads a sensor.
    GetSensorState = 40, "get-sensor-state";
    /// Reads non-volatile memory.
    NvramFetch = 41, "nvram-fetch";
    /// Writes non-volatile memory.
    NvramStore = 42, "nvram-store";
}

impl std::fmt::Display for RtasCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The first result of a RTAS call (LoPAR, RTAS Environment, "RTAS Status Word Values").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum RtasStatus {
    /// Done.
    Success,
    /// `event-scan`, `check-exception`: there is no error log.
    NoErrorsFound,
    /// `ibm,query-interrupt-source-number`: the function has no such interrupt.
    NoInterruptAssigned,
    /// `start-cpu`: not enough resources.
    NotEnoughResources,
    /// The hardware failed.
    HardwareError,
    /// Busy: call again.
    Busy,
    /// An argument is wrong; for system parameters: there is no such parameter.
    ParameterError,
    /// System parameters: the guest may not read or set it.
    NotAuthorized,
    /// System parameters: the buffer is wrong.
    BufferError,
}

impl RtasStatus {
    /// The word that goes into the first result, two's complement.
    pub const fn to_word(self) -> u32 {
        let code: i32 = match self {
            Self::Success => 0,
            Self::NoErrorsFound | Self::NoInterruptAssigned => 1,
            Self::NotEnoughResources => 3,
            Self::HardwareError => -1,
            Self::Busy => -2,
            Self::ParameterError => -3,
            Self::NotAuthorized => -9002,
            Self::BufferError => -9999,
        };
        code.cast_unsigned()
    }
}

/// What `query-cpu-stopped-state` says of a processor, in its second result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuStoppedState {
    /// Stopped: `start-cpu` may start it.
    Stopped,
    /// In the middle of `stop-self`.
    Stopping,
    /// Running.
    Running,
}

impl CpuStoppedState {
    /// The word of the second result.
    pub const fn to_word(self) -> u32 {
        match self {
            Self::Stopped => 0,
            Self::Stopping => 1,
            Self::Running => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_leads_back_to_its_call() {
        for &call in RtasCall::ALL {
            assert_eq!(RtasCall::from_token(call.token()), Some(call), "{call}");
        }
        assert_eq!(RtasCall::from_token(0), None);
        assert_eq!(RtasCall::from_token(u32::MAX), None);
    }

    #[test]
    fn a_parameter_error_is_minus_three() {
        assert_eq!(RtasStatus::ParameterError.to_word(), 0xffff_fffd);
    }
}
