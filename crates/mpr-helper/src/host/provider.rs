//! What a router asks a network provider in an `mpr-host`, and what it is told.
//!
//! Every function has the same two forms, an [`Ask`] and a [`Told`] with room for whatever one of them carries;
//! which field means what is said at each [`Function`]. Passwords and authentication data travel in
//! [`Ask::secrets`], which are wiped where they were read and never shown.

use std::fmt;

use zeroize::Zeroizing;

use super::fields::{Fields, framed, number, string};
use super::{Malformed, Said};
use crate::frame;

macro_rules! functions {
    ($($(#[doc = $doc:literal])* $function:ident,)*) => {
        /// A function of a provider.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Function {
            $($(#[doc = $doc])* $function,)*
        }

        impl Function {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Function] = &[$(Function::$function),*];
        }
    };
}

functions! {
    /// What it can do, told in seven numbers: network type, version, user, connection, dialog, admin, enumeration.
    Capabilities,
    /// Whether it has started, told in one number.
    Start,
    /// An add. Numbers: type, flags. Texts: local, remote, provider, user. Secrets: the password in UTF-16.
    Add,
    /// An add with authentication data. As an add; secrets: authentication data, options.
    AddWithBuffers,
    /// A cancel. Numbers: flags, force. Texts: name.
    Cancel,
    /// Texts: device. Told: the remote name.
    Connection,
    /// The same for a device that is registered and not connected.
    DeferredConnection,
    /// Texts: name. Told in four numbers: flags, speed, delay, optimal size.
    Performance,
    /// Texts: path. Told: universal name, connection, rest.
    UniversalName,
    /// Texts: name. Told: the user.
    User,
    /// Texts: remote name. Secrets: options. Told in bytes.
    UseOptions,
    /// Numbers: scope, type, usage, whether there is a container. The container is the resource. Told: the number
    /// of the enumeration.
    OpenEnum,
    /// Numbers: the enumeration. Told: resources, none at the end.
    EnumResource,
    /// Numbers: the enumeration.
    CloseEnum,
    /// Numbers: type. Texts: remote name, provider. Told: one resource, and the rest of the name.
    Information,
    /// The same. Told: one resource.
    Parent,
    /// Numbers: flags, characters per line. Texts: remote name. Told: the text.
    Format,
    /// Numbers: flush. Texts: directory. Told in one number.
    DirectoryType,
    /// Numbers: operation. Texts: directory.
    DirectoryNotify,
    /// Numbers: button, selection, type. Texts: name. Told: the caption.
    PropertyText,
    /// The same, for the dialog.
    PropertyDialog,
    /// Texts: drive. Told in one number.
    PermissionCapabilities,
    /// Numbers: dialog. Texts: drive.
    EditPermissions,
    /// Numbers: dialog, directory. Texts: drive. Told: the file, and a topic in it.
    PermissionHelp,
}

impl Function {
    /// The name it goes by in `npapi.h`, or the first of those.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Function::Capabilities | Function::Start => "NPGetCaps",
            Function::Add => "NPAddConnection",
            Function::AddWithBuffers => "NPAddConnection4",
            Function::Cancel => "NPCancelConnection",
            Function::Connection => "NPGetConnection",
            Function::DeferredConnection => "NPGetConnection3",
            Function::Performance => "NPGetConnectionPerformance",
            Function::UniversalName => "NPGetUniversalName",
            Function::User => "NPGetUser",
            Function::UseOptions => "NPGetPersistentUseOptionsForConnection",
            Function::OpenEnum => "NPOpenEnum",
            Function::EnumResource => "NPEnumResource",
            Function::CloseEnum => "NPCloseEnum",
            Function::Information => "NPGetResourceInformation",
            Function::Parent => "NPGetResourceParent",
            Function::Format => "NPFormatNetworkName",
            Function::DirectoryType => "NPGetDirectoryType",
            Function::DirectoryNotify => "NPDirectoryNotify",
            Function::PropertyText => "NPGetPropertyText",
            Function::PropertyDialog => "NPPropertyDialog",
            Function::PermissionCapabilities => "NPFMXGetPermCaps",
            Function::EditPermissions => "NPFMXEditPerm",
            Function::PermissionHelp => "NPFMXGetPermHelp",
        }
    }

    fn of(byte: u8) -> Result<Self, Malformed> {
        Self::ALL.get(usize::from(byte)).copied().ok_or(Malformed)
    }
}

/// One call. `S` is a wide string and `B` bytes: borrowed where one is written, owned where one was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask<S, B> {
    /// Number of the call; what is told carries it, too.
    pub number: u32,
    /// What is called.
    pub function: Function,
    /// A window that owns dialogs; it is another process's.
    pub owner: u64,
    /// Numbers.
    pub numbers: [u32; 4],
    /// Strings.
    pub texts: [Option<S>; 4],
    /// What nobody may see.
    pub secrets: [Option<B>; 2],
    /// A resource to look into.
    pub resource: Option<Resource<S>>,
}

/// A network resource: numbers and strings of a `NETRESOURCE`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource<S> {
    /// Scope, type, display type, usage.
    pub numbers: [u32; 4],
    /// Local name, remote name, comment, provider.
    pub texts: [Option<S>; 4],
}

/// The answer to an [`Ask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Number of the call.
    pub number: u32,
    /// What the provider returned.
    pub status: u32,
    /// Numbers.
    pub numbers: [u32; 7],
    /// Strings.
    pub texts: [Option<Vec<u16>>; 3],
    /// Bytes.
    pub bytes: Vec<u8>,
    /// Resources.
    pub resources: Vec<Resource<Vec<u16>>>,
    /// What it left for `WNetGetLastError`.
    pub error: Option<Said>,
}

impl Told {
    /// An answer of a status alone.
    #[must_use]
    pub fn of(number: u32, status: u32) -> Self {
        Told {
            number,
            status,
            numbers: [0; 7],
            texts: [None, None, None],
            bytes: Vec::new(),
            resources: Vec::new(),
            error: None,
        }
    }
}

/// Says which secrets there are, never what they are.
impl<S: fmt::Debug, B> fmt::Debug for Ask<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("number", &self.number)
            .field("function", &self.function)
            .field("numbers", &self.numbers)
            .field("texts", &self.texts)
            .field("secrets", &self.secrets.each_ref().map(|secret| secret.as_ref().map(|_| "…")))
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

/// Bytes of a frame that are there whatever is asked, and more.
const FIXED: usize = 128;

impl<S: AsRef<[u16]>, B: AsRef<[u8]>> Ask<S, B> {
    /// The whole frame.
    ///
    /// # Errors
    ///
    /// When it does not fit into one.
    pub fn frame(&self, into: &mut Vec<u8>) -> Result<(), frame::FrameError> {
        let resource = self.resource.iter().flat_map(|resource| &resource.texts);
        let units: usize =
            self.texts.iter().chain(resource).flatten().map(|text| text.as_ref().len() + 2).sum();
        let bytes: usize = self.secrets.iter().flatten().map(|secret| secret.as_ref().len() + 4).sum();
        // At once: what grows leaves copies of secrets behind.
        into.clear();
        into.reserve_exact(FIXED + 2 * units + bytes);
        framed(into, |out| {
            number(out, self.number);
            out.push(self.function as u8);
            out.extend(self.owner.to_le_bytes());
            self.numbers.iter().for_each(|&one| number(out, one));
            for text in &self.texts {
                string(out, text.as_ref().map(AsRef::as_ref));
            }
            for secret in &self.secrets {
                blob(out, secret.as_ref().map(AsRef::as_ref));
            }
            out.push(self.resource.is_some().into());
            if let Some(resource) = &self.resource {
                write(out, resource);
            }
        })
    }

    /// Whether what was framed must be wiped.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.secrets.iter().any(Option::is_some)
    }
}

impl Ask<Vec<u16>, Zeroizing<Vec<u8>>> {
    /// Reads a call back from the body of a frame. No string in it contains a zero.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields(body);
        let ask = Ask {
            number: fields.number()?,
            function: Function::of(fields.byte()?)?,
            owner: fields.long()?,
            numbers: numbers(&mut fields)?,
            texts: [fields.string()?, fields.string()?, fields.string()?, fields.string()?],
            secrets: [fields.blob()?.map(owned), fields.blob()?.map(owned)],
            resource: match fields.truth()? {
                true => Some(read(&mut fields)?),
                false => None,
            },
        };
        fields.end()?;
        Ok(ask)
    }
}

fn owned(secret: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(secret.to_vec())
}

impl Told {
    /// The whole frame.
    ///
    /// # Errors
    ///
    /// When it does not fit into one.
    pub fn frame(&self, into: &mut Vec<u8>) -> Result<(), frame::FrameError> {
        framed(into, |out| {
            number(out, self.number);
            number(out, self.status);
            self.numbers.iter().for_each(|&one| number(out, one));
            self.texts.iter().for_each(|text| string(out, text.as_deref()));
            blob(out, Some(&self.bytes));
            number(out, u32::try_from(self.resources.len()).unwrap_or(u32::MAX));
            self.resources.iter().for_each(|resource| write(out, resource));
            out.push(self.error.is_some().into());
            if let Some(said) = &self.error {
                number(out, said.code);
                string(out, Some(&said.text));
                string(out, Some(&said.name));
            }
        })
    }

    /// Reads an answer back from the body of a frame. No string in it contains a zero.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields(body);
        let (number, status) = (fields.number()?, fields.number()?);
        let told = Told {
            number,
            status,
            numbers: numbers(&mut fields)?,
            texts: [fields.string()?, fields.string()?, fields.string()?],
            bytes: fields.blob()?.ok_or(Malformed)?.to_vec(),
            resources: {
                let count = fields.number()?;
                // Each takes room in the frame, so that a count that lies ends with the frame.
                (0..count).map(|_| read(&mut fields)).collect::<Result<_, _>>()?
            },
            error: match fields.truth()? {
                false => None,
                true => Some(Said { code: fields.number()?, text: fields.text()?, name: fields.text()? }),
            },
        };
        fields.end()?;
        Ok(told)
    }
}

fn numbers<const N: usize>(fields: &mut Fields<'_>) -> Result<[u32; N], Malformed> {
    let mut numbers = [0; N];
    for one in &mut numbers {
        *one = fields.number()?;
    }
    Ok(numbers)
}

fn blob(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => number(out, super::fields::NONE),
        Some(bytes) => {
            number(out, u32::try_from(bytes.len()).unwrap_or(super::fields::NONE - 1));
            out.extend_from_slice(bytes);
        }
    }
}

fn write<S: AsRef<[u16]>>(out: &mut Vec<u8>, resource: &Resource<S>) {
    resource.numbers.iter().for_each(|&one| number(out, one));
    for text in &resource.texts {
        string(out, text.as_ref().map(AsRef::as_ref));
    }
}

fn read(fields: &mut Fields<'_>) -> Result<Resource<Vec<u16>>, Malformed> {
    Ok(Resource {
        numbers: numbers(fields)?,
        texts: [fields.string()?, fields.string()?, fields.string()?, fields.string()?],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::HEADER;
    use crate::host::MAX_TEXT;

    fn ask() -> Ask<Vec<u16>, Zeroizing<Vec<u8>>> {
        Ask {
            number: 7,
            function: Function::PermissionHelp,
            owner: u64::MAX,
            numbers: [1, 2, 3, u32::MAX],
            texts: [None, Some(vec![0xD800]), Some(Vec::new()), None],
            secrets: [Some(Zeroizing::new(vec![1, 0, 2])), None],
            resource: Some(Resource { numbers: [4; 4], texts: [None, Some(vec![7]), None, None] }),
        }
    }

    fn told() -> Told {
        Told {
            numbers: [1, 2, 3, 4, 5, 6, 7],
            texts: [Some(vec![0xDFFF]), None, Some(Vec::new())],
            bytes: vec![0, 1],
            resources: vec![Resource::default(), Resource { numbers: [9; 4], ..Resource::default() }],
            error: Some(Said::of(5, vec![1; MAX_TEXT + 1], Vec::new())),
            ..Told::of(3, u32::MAX)
        }
    }

    #[test]
    fn what_is_asked_and_told_is_understood() {
        let mut wire = Vec::new();
        ask().frame(&mut wire).unwrap();
        assert_eq!(Ask::parse(&wire[HEADER..]), Ok(ask()));
        told().frame(&mut wire).unwrap();
        assert_eq!(Told::parse(&wire[HEADER..]), Ok(told()));
    }

    #[test]
    fn every_function_has_the_number_it_is_known_by() {
        for (at, function) in Function::ALL.iter().copied().enumerate() {
            assert_eq!(function as usize, at);
            assert_eq!(Function::of(function as u8), Ok(function));
        }
        assert_eq!(Function::of(24), Err(Malformed));
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_refused() {
        let mut wire = Vec::new();
        ask().frame(&mut wire).unwrap();
        for cut in HEADER..wire.len() {
            assert_eq!(Ask::parse(&wire[HEADER..cut]), Err(Malformed));
        }
        let short = Told { error: None, ..told() };
        short.frame(&mut wire).unwrap();
        for cut in HEADER..wire.len() {
            assert_eq!(Told::parse(&wire[HEADER..cut]), Err(Malformed));
        }
        wire.push(0);
        assert_eq!(Told::parse(&wire[HEADER..]), Err(Malformed));
    }

    #[test]
    fn a_count_that_lies_allocates_nothing() {
        let mut wire = Vec::new();
        Told::of(1, 0).frame(&mut wire).unwrap();
        let count = wire.len() - 5;
        wire[count..count + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Told::parse(&wire[HEADER..]), Err(Malformed));
    }

    #[test]
    fn a_secret_is_framed_without_growing_and_never_shown() {
        let mut wire = Vec::new();
        let ask = Ask { secrets: [Some(Zeroizing::new(vec![b'p'; 4000])), None], ..ask() };
        ask.frame(&mut wire).unwrap();
        let capacity = wire.capacity();
        ask.frame(&mut wire).unwrap();
        assert_eq!(wire.capacity(), capacity);
        assert!(ask.is_secret());
        assert!(!format!("{ask:?}").contains("112"), "{ask:?}");
    }
}
