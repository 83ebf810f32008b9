//! Every status, explained.

use super::Explanation;
use mpr_plugin::Status;

macro_rules! explanations {
    ($($status:ident: $sentence:literal, [$($cause:literal),* $(,)?], $hint:literal;)*) => {
        /// One explanation for each of `mpr_abi::STATUSES`, in the same order.
        pub(crate) const EXPLANATIONS: &[Explanation] = &[
            $(Explanation {
                status: Status::$status,
                sentence: $sentence,
                causes: &[$($cause),*],
                hint: $hint,
            },)*
        ];
    };
}

explanations! {
    SUCCESS: "Nothing went wrong.",
        ["the operation did what was asked"],
        "see what is connected: mpr list";
    ACCESS_DENIED: "You have no permission for this resource.",
        ["the server knows you, but the share does not let you in",
         "you were taken for somebody else: the server may have used a guest account",
         "a notification library refused the operation"],
        "connect as another user: mpr connect REMOTE --user NAME";
    BAD_HANDLE: "The handle does not belong to an open enumeration.",
        ["a program closed an enumeration twice, or used it after closing it"],
        "this is a mistake in the calling program; report it to its author";
    OUT_OF_MEMORY: "There is not enough memory to do this.",
        ["the system, or a limit set for this process, has no memory left"],
        "look at what is left: free -h; ulimit -v";
    DEVICE_ERROR: "A device attached to the system does not work.",
        ["the provider's own transport failed"],
        "see what the provider says of itself: mpr doctor";
    NOT_SUPPORTED: "No network here can do this.",
        ["the provider that knows the name does not implement this operation",
         "no loaded provider implements it at all"],
        "see what each provider can do: mpr provider list";
    BAD_NETPATH: "The server was not found on the network.",
        ["the name of the server is misspelt, or is not known to the name service",
         "the server is switched off, or a firewall is in between"],
        "see whether the name leads anywhere: getent hosts SERVER";
    DEV_NOT_EXIST: "The resource is not there any more.",
        ["the share was removed from the server, or the server was restarted"],
        "see what the server offers: mpr browse REMOTE";
    NET_ERROR: "Something unexpected happened on the network.",
        ["the server broke off the conversation, or answered what nobody can understand",
         "a provider or notification library failed inside",
         "a provider in a process of its own crashed, or missed its deadline"],
        "see whether everything is in order here: mpr doctor";
    BAD_DEV_TYPE: "A disk was to be connected to a printer's device, or the other way round.",
        ["a drive letter was given for a print queue, or LPTn for a disk share"],
        "use a drive letter (Z:) or an empty directory for a disk, LPT1 to LPT9 for a printer";
    BAD_NETNAME: "No network knows a resource of this name.",
        ["the name of the server or share is misspelt",
         "the provider for this kind of name is not loaded"],
        "see what there is: mpr browse; see which providers are loaded: mpr provider list";
    ALREADY_CONNECTED: "The local name is in use already.",
        ["it is connected to this or another resource",
         "it is a directory that is not empty"],
        "see what is connected: mpr list; or let a free letter be chosen: mpr connect REMOTE '*'";
    BAD_PASSWORD: "The password is not right for this resource.",
        ["the password is misspelt, or was changed",
         "it was tried as another user than the one it belongs to",
         "none was given, and there is no Kerberos ticket, or it has expired (klist)"],
        "try again and name the user: mpr connect REMOTE --user NAME";
    BAD_VALUE: "A value makes no sense to the router.",
        ["a name holds what it must not hold, such as a password in a URL",
         "a program passed flags or a type that do not exist"],
        "see which values are accepted: mpr help connect";
    CALL_NOT_IMPLEMENTED: "This function exists in name only.",
        ["the provider exports the function, but does not implement it"],
        "see what each provider can do: mpr provider list";
    BAD_LEVEL: "This kind of information does not exist.",
        ["a program asked for an information level that is not defined"],
        "this is a mistake in the calling program; report it to its author";
    FUNCTION_BUSY: "The router or a provider is busy, or is still starting.",
        ["a network service has not come up yet",
         "a notification library called the router from inside a callback"],
        "wait a moment and try again";
    MORE_DATA: "The buffer is too small for the answer.",
        ["a program did not ask for the size it needs"],
        "this is a mistake in the calling program; report it to its author";
    NO_MORE_ENTRIES: "There is nothing left: no entry to list, or no free drive letter.",
        ["every letter from Z: down to C: is connected or remembered for something else"],
        "free a letter: mpr list --all; mpr disconnect LETTER: --forget";
    BAD_POINTER: "A program passed an address that it must not pass.",
        ["a required pointer is NULL",
         "a drive was to be chosen, but there is no place to report which"],
        "this is a mistake in the calling program; report it to its author";
    AUDIT_FAILED: "The audit trail cannot be written to, and nothing may be done without it.",
        ["the disk is full, or the state directory is not to be written to",
         "a file of the trail belongs to somebody else, or others can write to it"],
        "see what is wrong: mpr events verify; the setting is audit = \"required\" in mpr.toml";
    BAD_LOCALNAME: "This is no local name that can be connected.",
        ["it is no drive letter with a colon (Z:), no LPT1 to LPT9, no absolute path",
         "the directory does not exist"],
        "let a free letter be chosen: mpr connect REMOTE '*'; or make the directory: mkdir -p LOCAL";
    CONNECTION_CLOSED: "The local name is remembered for this resource, but is not connected.",
        ["the server was not there when connections were restored",
         "it was disconnected without being forgotten"],
        "connect it again: mpr restore LOCAL";
    DEVICE_ALREADY_REMEMBERED: "The local name is remembered for another resource.",
        ["an earlier connection was made with --persist and never forgotten"],
        "forget the earlier one: mpr disconnect LOCAL --forget; or see them all: mpr list --remembered";
    NO_NET_OR_BAD_PATH: "Nobody accepted the name, but one of the networks is not started.",
        ["the network the name belongs to has not come up yet",
         "the name is misspelt"],
        "see which networks are there: mpr provider list; mpr doctor";
    BAD_PROVIDER: "There is no provider of this name.",
        ["the name is misspelt, or the provider was removed",
         "the provider is registered, but could not be loaded"],
        "see the names and why one is missing: mpr provider list";
    CANNOT_OPEN_PROFILE: "The file of remembered connections cannot be opened.",
        ["it, or the directory it is in, belongs to somebody else or cannot be written",
         "there is no home directory, and MPR_STATE_DIR is not set",
         "the disk is full: the connection itself may exist nevertheless"],
        "see what is wrong with it: mpr doctor";
    BAD_PROFILE: "The file of remembered connections is damaged.",
        ["it was edited by hand and is not TOML any more, or an entry lacks its RemotePath"],
        "see the line: mpr doctor; mend it, or move the file away";
    NOT_CONTAINER: "There is nothing inside this resource to be listed.",
        ["a share, not a server, was to be browsed"],
        "list the server instead: mpr browse //SERVER; or look into the share by connecting it";
    EXTENDED_ERROR: "The provider has an error of its own to tell.",
        ["see what it says: the text stands with the message"],
        "look its code up in the provider's documentation";
    SESSION_CREDENTIAL_CONFLICT: "This server is in use already as another user.",
        ["a connection to the same server was made with other credentials"],
        "see it: mpr list; disconnect it first, or connect as the same user";
    NO_NETWORK: "There is no network.",
        ["no network provider is loaded",
         "the network the provider serves is not running",
         "a provider in a process of its own failed three times in a row, and is not asked for a minute"],
        "see what was left out and why: mpr doctor";
    CANCEL: "The operation was cancelled.",
        ["a notification library refused it",
         "it was interrupted, or a question was answered with cancel"],
        "see who is asked before each connection: mpr notifyee list";
    RETRY: "The operation is to be repeated.",
        ["a provider answered with a code that is meant for notification libraries"],
        "try again; if it stays, report it to the author of the provider";
    NOT_AUTHENTICATED: "The server does not know who you are.",
        ["no user name and password were given, and the server lets no guests in"],
        "say who you are: mpr connect REMOTE --user NAME --prompt";
    NOT_LOGGED_ON: "You are not logged on to this network.",
        ["the network wants a logon before it lets anybody in"],
        "log on to the network with its own tools, then try again";
    CONTINUE: "The provider has done the operation itself.",
        ["this is no error: it tells a file manager that nothing is left to do"],
        "nothing needs to be done";
    NOT_INITIALIZING: "A function was called out of order.",
        ["a plug-in called what may only be called while it is being initialised"],
        "report it to the author of the plug-in; see which are loaded: mpr doctor";
    NO_MORE_DEVICES: "The provider has no device left.",
        ["the provider's own limit on connections is reached"],
        "disconnect what is not needed: mpr list; mpr disconnect NAME";
    NOT_VALIDATED: "No server could be reached that can tell who you are.",
        ["the domain's logon server is not reachable",
         "the clock of this machine is wrong, so that tickets are refused"],
        "look at the clock and at the ticket: date; klist";
    NO_SUCH_LOGON_SESSION: "The logon session does not exist.",
        ["the ticket or session the connection relied on has ended"],
        "log on again (kinit), then connect again: mpr connect REMOTE";
    LOGON_FAILURE: "The user is unknown, or the password is wrong.",
        ["the user name or the password is misspelt",
         "the account belongs to a domain that was not named",
         "the account is locked or expired"],
        "name the user with the domain: mpr connect REMOTE --user 'DOMAIN\\NAME'";
    CONNECTED_OTHER_PASSWORD: "It is connected, but with another password.",
        ["a connection to the resource was made earlier with another password"],
        "disconnect it first: mpr disconnect REMOTE";
    CONNECTED_OTHER_PASSWORD_DEFAULT: "It is connected, but with another password than the default one.",
        ["a connection to the resource was made earlier with another password"],
        "disconnect it first: mpr disconnect REMOTE";
    BAD_USER: "The user name cannot be used.",
        ["the name is not well formed, or the server does not know it",
         "a connection to the same server was made as another user"],
        "write it as NAME, DOMAIN\\NAME or NAME@DOMAIN: mpr connect REMOTE --user NAME";
    NOT_CONNECTED: "This name is not connected.",
        ["it was never connected, or has been disconnected",
         "the connection belongs to another user of this machine"],
        "see what is connected: mpr list --all";
    OPEN_FILES: "Files are open on this connection.",
        ["a program, or a shell whose working directory is inside, uses it"],
        "close them; or disconnect all the same, at the cost of what is unsaved: mpr disconnect LOCAL --force";
    ACTIVE_CONNECTIONS: "Connections are still in use.",
        ["another connection to the same resource is active"],
        "see them: mpr list; or disconnect all the same: mpr disconnect LOCAL --force";
    DEVICE_IN_USE: "A process uses the device.",
        ["the working directory of a shell, or an open file, is on it"],
        "find the process: fuser -vm \"$(mpr path --as mounted LOCAL)\"; or: mpr disconnect LOCAL --force";
}
