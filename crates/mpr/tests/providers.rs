//! Network providers in shared objects: what is claimed, what is called, and what is made of the answers.

mod compile;

use compile::{Library, library};
use mpr::library::{LoadedProvider, Terms};
use mpr_abi::*;
use mpr_plugin::{
    AddConnection, AuthBuffer, CancelConnection, Capabilities, EnumQuery, NetResource, NetworkProvider,
    Performance, ResourceQuery, Start, UniversalName, wide,
};
use std::ptr::{null_mut, without_provenance_mut};

/// A provider that claims everything there is.
const CLAIMS_ALL: &str = "DWORD NPGetCaps(DWORD index) { return index == 12 ? 1 : 0xFFFF; }";

fn loaded(library: &Library) -> LoadedProvider {
    LoadedProvider::load(library.path(), &Terms::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn provider(source: &str) -> LoadedProvider {
    loaded(&library(&format!("{CLAIMS_ALL}\n{source}")))
}

const ADD: AddConnection<'_> = AddConnection {
    owner: null_mut(),
    kind: 1,
    local: None,
    remote: widestring::u16cstr!(r"\\srv\share"),
    provider: None,
    user: None,
    password: None,
    auth: None,
    flags: 0x408,
};

const TOP: EnumQuery<'_> = EnumQuery { scope: 2, kind: 1, usage: 3, container: None };

fn entries(provider: &LoadedProvider) -> (Vec<NetResource>, Option<Status>) {
    let mut enumeration = provider.enumerate(&TOP).expect("it opens");
    let mut entries = Vec::new();
    loop {
        match enumeration.next_entry() {
            Some(Ok(entry)) => entries.push(entry),
            Some(Err(status)) => {
                assert!(enumeration.next_entry().is_none(), "an error ends an enumeration");
                return (entries, Some(status));
            }
            None => return (entries, None),
        }
        assert!(entries.len() < 10_000, "it must end");
    }
}

#[test]
fn a_provider_without_npgetcaps_is_refused() {
    let library = library("DWORD NPAddConnection(void) { return 0; }");
    let error = LoadedProvider::load(library.path(), &Terms::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: it does not export NPGetCaps, which every network provider must; \
             export it under that very name (in C++: extern \"C\")",
            library.path().display()
        )
    );
}

#[test]
fn what_is_claimed_but_not_exported_does_not_exist() {
    let bare = provider("");
    let capabilities = bare.capabilities();
    assert_eq!(capabilities.connection, 0xFF00);
    assert_eq!((capabilities.user, capabilities.enumeration), (0xFFFE, 0));
    assert_eq!((capabilities.dialog, capabilities.admin), (0xFFFF & !0xBE1, 0xFFFC));
    assert_eq!((capabilities.net_type, capabilities.version), (0xFFFF, 0xFFFF));

    let name = wide("Z:");
    let cancel = CancelConnection { name: &name, force: false, flags: 0 };
    let query = ResourceQuery { remote: &name, kind: 0, provider: None };
    let none = Err(Status::NOT_SUPPORTED);
    assert_eq!(bare.add_connection(&ADD), none);
    assert_eq!(bare.cancel_connection(&cancel), none);
    assert_eq!(bare.connection(&name).map(drop), none);
    assert_eq!(bare.deferred_connection(&name).map(drop), none);
    assert_eq!(bare.performance(&name).map(drop), none);
    assert_eq!(bare.universal_name(&name).map(drop), none);
    assert_eq!(bare.user(&name).map(drop), none);
    assert_eq!(bare.persistent_use_options(&name, &[]).map(drop), none);
    assert_eq!(bare.enumerate(&TOP).map(drop), none);
    assert_eq!(bare.resource_information(&query).map(drop), none);
    assert_eq!(bare.resource_parent(&query).map(drop), none);
    assert_eq!(bare.format_network_name(&name, 0, 0).map(drop), none);
    assert_eq!(bare.directory_type(&name, false).map(drop), none);
    assert_eq!(bare.directory_notify(null_mut(), &name, 1), none);
    assert_eq!(bare.property_text(1, 0, &name, 2).map(drop), none);
    assert_eq!(bare.property_dialog(null_mut(), 1, 0, &name, 2), none);
    assert_eq!(bare.permission_capabilities(&name), 0);
    assert_eq!(bare.edit_permissions(&name, null_mut(), 0), none);
    assert_eq!(bare.permission_help(&name, 0, false).map(drop), none);
}

#[test]
fn what_is_exported_but_not_claimed_is_not_called() {
    let shy = loaded(&library(
        "DWORD NPGetCaps(DWORD index) { return 0; }
         DWORD NPAddConnection(void) { return 1; } DWORD NPAddConnection3(void) { return 1; }
         DWORD NPCancelConnection(void) { return 1; } DWORD NPGetConnection(void) { return 1; }
         DWORD NPGetUser(void) { return 1; } DWORD NPGetDirectoryType(void) { return 1; }",
    ));
    assert_eq!(shy.capabilities(), Capabilities::default());
    let name = wide("Z:");
    assert_eq!(shy.add_connection(&ADD), Err(Status::NOT_SUPPORTED));
    assert_eq!(shy.connection(&name), Err(Status::NOT_SUPPORTED));
    assert_eq!(shy.user(&name), Err(Status::NOT_SUPPORTED));
    assert_eq!(shy.directory_type(&name, false), Err(Status::NOT_SUPPORTED));
    assert_eq!(shy.start(), Start::Never);
}

#[test]
fn enumeration_functions_come_all_or_not_at_all() {
    let open = "DWORD NPOpenEnum(void) { return 0; } DWORD NPEnumResource(void) { return 259; }";
    assert_eq!(provider(open).capabilities().enumeration, 0);
    let all = provider(&format!("{open} DWORD NPCloseEnum(void) {{ return 0; }}"));
    assert_eq!(all.capabilities().enumeration, 0xFFFF);
}

#[test]
fn deferring_needs_a_function_that_takes_flags() {
    let plain = provider("DWORD NPAddConnection(void) { return 0; }");
    assert_eq!(plain.capabilities().connection & WNNC_CON_DEFER, 0);
    let flagged = provider("DWORD NPAddConnection3(void) { return 0; }");
    assert_eq!(flagged.capabilities().connection & WNNC_CON_DEFER, WNNC_CON_DEFER);
}

#[test]
fn only_the_start_is_asked_for_again() {
    let provider = loaded(&library(
        "static DWORD asked; DWORD NPGetCaps(DWORD index) { return index == 12 ? 5 + asked++ : 0x10000 + asked; }",
    ));
    assert_eq!([provider.start(), provider.start()], [Start::Within(5), Start::Within(6)]);
    assert_eq!(provider.capabilities().net_type, 0x10000);
}

#[test]
fn an_add_takes_the_function_that_says_most() {
    let plain = "DWORD NPAddConnection(NETRESOURCE *r, WCHAR *password, WCHAR *user) {
        return r->type == 1 && !r->local && weq(r->remote, W(\"\\\\\\\\srv\\\\share\"))
            && weq(password, W(\"secret\")) && weq(user, W(\"me\")) ? 1001 : 1; }";
    let three =
        "DWORD NPAddConnection3(void *owner, NETRESOURCE *r, WCHAR *password, WCHAR *user, DWORD flags) {
        return owner == (void *)7 && weq(r->local, W(\"Z:\")) && weq(r->provider, W(\"Net\"))
            && !password && user && !*user && flags == 0x408 ? 1003 : 3; }";
    let four = "DWORD NPAddConnection4(void *owner, NETRESOURCE *r, void *auth, DWORD size, DWORD flags,
            char *options, DWORD options_size) {
        return size == 3 && !memcmp(auth, \"abc\", 3) && !options && !options_size && flags == 0x408 ? 1004 : 4; }";
    let (password, user, local, net, empty) = (wide("secret"), wide("me"), wide("Z:"), wide("Net"), wide(""));
    let add = AddConnection { password: Some(&password), user: Some(&user), ..ADD };
    assert_eq!(provider(plain).add_connection(&add), Err(Status(1001)));

    let all = provider(&[plain, three, four].concat());
    let owner = without_provenance_mut(7);
    let add = AddConnection { owner, local: Some(&local), provider: Some(&net), user: Some(&empty), ..ADD };
    assert_eq!(all.add_connection(&add), Err(Status(1003)));
    let auth = Some(AuthBuffer { auth: b"abc", use_options: b"" });
    assert_eq!(all.add_connection(&AddConnection { auth, ..ADD }), Err(Status(1004)));
    // An authentication buffer cannot be put into words that another function understands.
    assert_eq!(
        provider(&[plain, three].concat()).add_connection(&AddConnection { auth, ..ADD }),
        Err(Status::NOT_SUPPORTED)
    );
    assert_eq!(provider(four).add_connection(&ADD), Err(Status::NOT_SUPPORTED));
}

#[test]
fn a_cancel_takes_the_function_with_flags_if_there_is_one() {
    let plain = "DWORD NPCancelConnection(WCHAR *name, BOOL force) { return 100 + force; }";
    let two =
        "DWORD NPCancelConnection2(WCHAR *name, BOOL force, DWORD flags) { return 10 * force + flags; }";
    let name = wide("Z:");
    let cancel = CancelConnection { name: &name, force: true, flags: 3 };
    assert_eq!(provider(plain).cancel_connection(&cancel), Err(Status(101)));
    assert_eq!(provider(&[plain, two].concat()).cancel_connection(&cancel), Err(Status(13)));
}

#[test]
fn what_a_provider_writes_into_its_arguments_is_discarded() {
    let provider = provider(
        "static void spoil(WCHAR *s) { memset(s, 0x41, 2 * wlen(s) + 2); }
         DWORD NPAddConnection3(void *owner, NETRESOURCE *r, WCHAR *password, WCHAR *user, DWORD flags) {
            spoil(r->remote), spoil(r->local), spoil(password), spoil(user);
            memset(r, 0x41, sizeof *r);
            return 0; }
         DWORD NPAddConnection4(void *owner, NETRESOURCE *r, char *auth, DWORD size, DWORD flags, char *o, DWORD n) {
            memset(auth, 0x41, size), memset(o, 0x41, n);
            return 0; }
         DWORD NPCancelConnection(WCHAR *name, BOOL force) { spoil(name); return 0; }",
    );
    let (local, password, user) = (wide("Z:"), wide("secret"), wide("me"));
    let add = AddConnection { local: Some(&local), password: Some(&password), user: Some(&user), ..ADD };
    assert_eq!(provider.add_connection(&add), Ok(()));
    assert_eq!((&local, &password, &user), (&wide("Z:"), &wide("secret"), &wide("me")));
    let (auth, options) = (vec![1; 2000], vec![2; 20]);
    let buffers = Some(AuthBuffer { auth: &auth, use_options: &options });
    assert_eq!(provider.add_connection(&AddConnection { auth: buffers, ..ADD }), Ok(()));
    assert_eq!((auth, options), (vec![1; 2000], vec![2; 20]));
    let cancel = CancelConnection { name: &local, force: false, flags: 0 };
    assert_eq!(provider.cancel_connection(&cancel), Ok(()));
    assert_eq!(local, wide("Z:"));
}

/// `NPGetConnection` with this body.
fn connecting(body: &str) -> LoadedProvider {
    provider(&format!(
        "static DWORD calls; DWORD NPGetConnection(WCHAR *local, WCHAR *remote, DWORD *chars) {{ {body} }}"
    ))
}

#[test]
fn a_string_is_asked_for_until_it_fits() {
    let provider = connecting(
        "if (*chars < 5000) { *chars = 5000; return 234; }
         for (int i = 0; i < 4999; i++) remote[i] = 'x';
         remote[4999] = 0;
         return calls++;",
    );
    assert_eq!(provider.connection(&wide("Z:")), Ok(wide(&"x".repeat(4999))));
}

#[test]
fn a_provider_that_always_wants_a_greater_buffer_is_given_up() {
    for body in [
        "*chars += 1; return calls++ > 20 ? 1 : 234;",
        "*chars = 0; return calls++ > 20 ? 1 : 234;",
        "*chars = 0xFFFFFFFF; return calls++ > 20 ? 1 : 234;",
        "return calls++ > 20 ? 1 : 234;",
    ] {
        assert_eq!(connecting(body).connection(&wide("Z:")), Err(Status::MORE_DATA), "{body}");
    }
}

#[test]
fn sizes_a_provider_claims_are_not_believed() {
    let terminated = connecting("remote[0] = 'a'; remote[1] = 0; *chars = 0xFFFFFFFF; return 0;");
    assert_eq!(terminated.connection(&wide("Z:")), Ok(wide("a")));
    let endless = connecting("for (DWORD i = 0; i < *chars; i++) remote[i] = 'a'; return 0;");
    assert_eq!(endless.connection(&wide("Z:")), Err(Status::NET_ERROR));
    let silent = connecting("return 0;");
    assert_eq!(silent.connection(&wide("Z:")), Ok(wide("")));
}

#[test]
fn deferred_connections_are_asked_for_at_their_level() {
    let provider = provider(
        "DWORD NPGetConnection3(WCHAR *local, DWORD level, WCHAR *out, DWORD *chars) {
            if (level != 1 || !weq(local, W(\"Z:\"))) return 124;
            out[0] = 'd', out[1] = 0;
            return 0; }",
    );
    assert_eq!(provider.deferred_connection(&wide("Z:")), Ok(wide("d")));
    assert_eq!(provider.deferred_connection(&wide("Y:")), Err(Status::BAD_LEVEL));
}

#[test]
fn users_and_formatted_names_are_read() {
    let provider = provider(
        "DWORD NPGetUser(WCHAR *name, WCHAR *user, DWORD *chars) { user[0] = *name ? *name : '-', user[1] = 0; return 0; }
         DWORD NPFormatNetworkName(WCHAR *remote, WCHAR *out, DWORD *chars, DWORD flags, DWORD width) {
            out[0] = remote[0], out[1] = '0' + flags, out[2] = '0' + width, out[3] = 0; return 0; }",
    );
    assert_eq!((provider.user(&wide("Z:")), provider.user(&wide(""))), (Ok(wide("Z")), Ok(wide("-"))));
    assert_eq!(provider.format_network_name(&wide("n"), 2, 9), Ok(wide("n29")));
}

#[test]
fn performance_starts_from_zero() {
    let provider = provider(
        "DWORD NPGetConnectionPerformance(WCHAR *name, DWORD *info) {
            if (info[0] != 20 || info[1] || info[2] || info[3] || info[4]) return 1;
            info[0] = 0xBAD; info[2] = 7; return 0; }",
    );
    let expected = Performance { speed: 7, ..Performance::default() };
    assert_eq!(provider.performance(&wide("Z:")), Ok(expected));
}

#[test]
fn a_remote_name_answers_both_levels() {
    let provider = provider(
        r#"DWORD NPGetUniversalName(WCHAR *path, DWORD level, void *buffer, DWORD *bytes) {
            if (level != 2) return 124;
            if (*bytes < 8192) { *bytes = 8192; return 234; }
            WCHAR **names = buffer, *text = (WCHAR *)((char *)buffer + 7999); /* odd address */
            memcpy(text, W("\\\\s\\x\\d"), 16);
            names[0] = text, names[1] = W("\\\\s\\x"), names[2] = W("\\d");
            return 0;
        }"#,
    );
    let expected = UniversalName {
        universal: Some(wide(r"\\s\x\d")),
        connection: wide(r"\\s\x"),
        remaining: wide(r"\d"),
    };
    assert_eq!(provider.universal_name(&wide(r"Z:\d")), Ok(expected));
}

#[test]
fn a_provider_that_knows_only_level_one_is_completed() {
    const LEVEL_1: &str = r#"DWORD NPGetUniversalName(WCHAR *path, DWORD level, WCHAR **buffer, DWORD *bytes) {
            if (level != 1) return 124;
            buffer[0] = W("\\\\s\\x\\d");
            return 0;
        }"#;
    let expected = |connection| UniversalName {
        universal: Some(wide(r"\\s\x\d")),
        connection: wide(connection),
        remaining: wide(r"\d"),
    };
    let told = r#"DWORD NPGetConnection(WCHAR *local, WCHAR *remote, DWORD *chars) {
            if (!weq(local, W("Z:"))) return 2250;
            memcpy(remote, W("x:s"), 8);
            return 0;
        }"#;
    let path = wide(r"Z:\d");
    assert_eq!(provider(LEVEL_1).universal_name(&path), Ok(expected(r"\\s\x")));
    assert_eq!(provider(&[LEVEL_1, told].concat()).universal_name(&path), Ok(expected("x:s")));
    assert_eq!(provider(LEVEL_1).universal_name(&wide(r"Z:\other")), Err(Status::NOT_SUPPORTED));
}

#[test]
fn a_universal_name_that_was_not_written_is_an_error() {
    let universal = |body: &str| {
        provider(&format!(
            "DWORD NPGetUniversalName(WCHAR *p, DWORD level, size_t *buffer, DWORD *bytes) {{ {body} }}"
        ))
        .universal_name(&wide("Z:"))
    };
    assert_eq!(universal("return 0;"), Err(Status::NET_ERROR));
    // Offsets where pointers belong.
    assert_eq!(
        universal("buffer[0] = 24, buffer[1] = 40, buffer[2] = 60; return 0;"),
        Err(Status::NET_ERROR)
    );
    assert_eq!(universal("return 2250;"), Err(Status::NOT_CONNECTED));
    assert_eq!(universal("return 234;"), Err(Status::MORE_DATA));
    // A string that runs into the end of the buffer has no end.
    assert_eq!(
        universal(
            "WCHAR *text = (WCHAR *)((char *)buffer + *bytes - 8);
             for (int i = 0; i < 4; i++) text[i] = 'x';
             buffer[0] = buffer[1] = buffer[2] = (size_t)text; return 0;"
        ),
        Err(Status::NET_ERROR)
    );
}

#[test]
fn options_worth_remembering_are_read() {
    let options = |body: &str| {
        provider(&format!(
            "DWORD NPGetPersistentUseOptionsForConnection(WCHAR *remote, char *in, DWORD n, char *out, DWORD *m) {{ {body} }}"
        ))
        .persistent_use_options(&wide("r"), b"abc")
    };
    assert_eq!(options("memcpy(out, in + 1, n - 1); *m = n - 1; return 0;"), Ok(b"bc".to_vec()));
    assert_eq!(
        options("if (*m < 1000) { *m = 1000; return 234; } memset(out, 7, 1000); *m = 1000; return 0;"),
        Ok(vec![7; 1000])
    );
    assert_eq!(options("*m += 1; return 0;"), Err(Status::NET_ERROR));
    assert_eq!(options("return 234;"), Err(Status::MORE_DATA));
}

/// The three enumeration functions, `NPEnumResource` with this body.
fn enumerating(body: &str) -> LoadedProvider {
    provider(&format!(
        "static DWORD calls;
         DWORD NPOpenEnum(DWORD scope, DWORD kind, DWORD usage, NETRESOURCE *r, void **handle) {{
            *handle = (void *)0xE1;
            return scope == 2 && kind == 1 && usage == 3 && !r ? 0 : 87; }}
         DWORD NPCloseEnum(void *handle) {{ return handle == (void *)0xE1 ? 0 : 6; }}
         DWORD NPEnumResource(void *handle, DWORD *count, NETRESOURCE *out, DWORD *bytes) {{
            if (handle != (void *)0xE1) return 6;
            {body} }}"
    ))
}

#[test]
fn entries_are_copied_out_page_by_page() {
    let provider = enumerating(
        r#"if (*count != 0xFFFFFFFF) return 87;
           if (++calls > 3) return 259;
           WCHAR *text = (WCHAR *)((char *)out + *bytes - 4);
           text[0] = '0' + calls, text[1] = 0;
           for (int i = 0; i < 2; i++) {
              out[i] = (NETRESOURCE){2, 1, 3, 1 + i, 0, text, i ? W("comment") : 0, 0};
           }
           *count = 2;
           return 0;"#,
    );
    let (entries, error) = entries(&provider);
    let remotes: Vec<_> =
        entries.iter().map(|entry| entry.remote.as_ref().unwrap().to_string_lossy()).collect();
    assert_eq!((remotes, error), (["1", "1", "2", "2", "3", "3"].map(String::from).to_vec(), None));
    assert_eq!(
        entries[1],
        NetResource {
            scope: 2,
            kind: 1,
            display: 3,
            usage: 2,
            local: None,
            remote: Some(wide("1")),
            comment: Some(wide("comment")),
            provider: None
        }
    );
}

#[test]
fn a_page_that_does_not_fit_is_asked_for_again() {
    let provider = enumerating(
        "if (calls) return 259;
         if (*bytes < 100000) { *bytes = 100000; return 234; }
         calls++; out[0].remote = (WCHAR *)((char *)out + 99000); *count = 1; return 0;",
    );
    assert_eq!(entries(&provider).0.len(), 1);
    let greedy = enumerating("return calls++ > 20 ? 1 : 234;");
    assert_eq!(entries(&greedy), (vec![], Some(Status::MORE_DATA)));
}

#[test]
fn success_without_entries_ends_an_enumeration() {
    assert_eq!(entries(&enumerating("*count = 0; return 0;")), (vec![], None));
}

#[test]
fn more_entries_than_there_is_room_for_are_not_believed() {
    assert_eq!(entries(&enumerating("return 0;")), (vec![], Some(Status::NET_ERROR)));
    assert_eq!(entries(&enumerating("*count = 342; return 0;")), (vec![], Some(Status::NET_ERROR)));
    assert_eq!(entries(&enumerating("*count = 341; return calls++ ? 259 : 0;")).0.len(), 341);
}

#[test]
fn an_error_ends_an_enumeration_after_the_entries_before_it() {
    let provider = enumerating("*count = 1; return calls++ ? 59 : 0;");
    assert_eq!(entries(&provider), (vec![NetResource::default()], Some(Status::NET_ERROR)));
}

#[test]
fn an_enumeration_is_closed_once_and_says_how_that_went() {
    let library = library(&format!(
        "{CLAIMS_ALL}
         static DWORD closed;
         DWORD NPOpenEnum(DWORD s, DWORD k, DWORD u, NETRESOURCE *r, void **handle) {{ *handle = &closed; return 0; }}
         DWORD NPEnumResource(void *h, DWORD *count, void *out, DWORD *bytes) {{ return 259; }}
         DWORD NPCloseEnum(DWORD *handle) {{ ++*handle; return 6; }}
         DWORD NPGetDirectoryType(WCHAR *d, int *kind, BOOL flush) {{ *kind = closed; return 0; }}"
    ));
    let provider = loaded(&library);
    let closed = || provider.directory_type(&wide("d"), false).unwrap();
    drop(provider.enumerate(&TOP).unwrap());
    assert_eq!(closed(), 1);
    assert_eq!(provider.enumerate(&TOP).unwrap().close(), Err(Status::BAD_HANDLE));
    assert_eq!(closed(), 2);
}

#[test]
fn a_container_is_passed_as_a_private_copy() {
    let provider = provider(
        "DWORD NPOpenEnum(DWORD s, DWORD k, DWORD u, NETRESOURCE *r, void **handle) {
            DWORD first = r->remote[0];
            r->remote[0] = 0;
            return r->local || r->usage != 2 ? 1 : first; }
         DWORD NPEnumResource(void) { return 259; } DWORD NPCloseEnum(void) { return 0; }",
    );
    let container = NetResource { usage: 2, remote: Some(wide("x")), ..NetResource::default() };
    for _ in 0..2 {
        let opened = provider.enumerate(&EnumQuery { container: Some(&container), ..TOP });
        assert_eq!(opened.map(drop), Err(Status(u32::from(b'x'))));
    }
}

#[test]
fn information_and_parent_are_read() {
    let provider = provider(
        r#"DWORD NPGetResourceInformation(NETRESOURCE *r, NETRESOURCE *out, DWORD *bytes, WCHAR **system) {
            if (r->local || r->type != 1 || !weq(r->provider, W("Net"))) return 1;
            if (*bytes < 5000) { *bytes = 5000; *system = (WCHAR *)1; return 234; }
            out->remote = W("\\\\s\\x"), out->usage = 1;
            *system = r->remote[5] ? W("\\f") : 0;
            return 0; }
           DWORD NPGetResourceParent(NETRESOURCE *r, NETRESOURCE *out, DWORD *bytes) {
            out->usage = 2;
            return r->remote[0] == '!' ? 67 : 0; }"#,
    );
    let (deep, flat, bad, net) = (wide(r"\\s\x\f"), wide(r"\\s\x"), wide("!"), wide("Net"));
    let query = |remote| ResourceQuery { remote, kind: 1, provider: Some(&*net) };
    let entry = NetResource { usage: 1, remote: Some(wide(r"\\s\x")), ..NetResource::default() };
    assert_eq!(provider.resource_information(&query(&deep)), Ok((entry.clone(), Some(wide(r"\f")))));
    assert_eq!(provider.resource_information(&query(&flat)), Ok((entry, None)));
    let parent = NetResource { usage: 2, ..NetResource::default() };
    assert_eq!(provider.resource_parent(&query(&flat)), Ok(parent));
    assert_eq!(provider.resource_parent(&query(&bad)), Err(Status::BAD_NETNAME));
}

#[test]
fn functions_of_the_file_manager_are_passed_through() {
    let provider = provider(
        "DWORD NPGetDirectoryType(WCHAR *d, int *kind, BOOL flush) { *kind = flush; return 0; }
         DWORD NPDirectoryNotify(void *owner, WCHAR *d, DWORD operation) { return 1240 + operation; }
         DWORD NPGetPropertyText(DWORD b, DWORD s, WCHAR *name, WCHAR *text, DWORD chars, DWORD kind) {
            if (chars < 300) return 234;
            text[0] = '0' + b, text[1] = 0; return 0; }
         DWORD NPPropertyDialog(void *owner, DWORD b, DWORD s, WCHAR *files, DWORD kind) { return 100 * b + 10 * s + kind; }
         DWORD NPFMXGetPermCaps(WCHAR *drive) { return drive[0]; }
         DWORD NPFMXEditPerm(WCHAR *drive, void *owner, DWORD dialog) { return 60 + dialog; }
         DWORD NPFMXGetPermHelp(WCHAR *drive, DWORD dialog, BOOL directory, WCHAR *file, DWORD *size, DWORD *topic) {
            file[0] = 'h', file[1] = 0, *topic = 10 * dialog + directory; return 0; }",
    );
    let name = wide("Z:");
    assert_eq!(provider.directory_type(&name, true), Ok(1));
    assert_eq!(provider.directory_notify(null_mut(), &name, 3), Err(Status(1243)));
    assert_eq!(provider.property_text(4, 0, &name, 2), Ok(wide("4")));
    assert_eq!(provider.property_dialog(null_mut(), 1, 2, &name, 3), Err(Status(123)));
    assert_eq!(provider.permission_capabilities(&name), u32::from(b'Z'));
    assert_eq!(provider.edit_permissions(&name, null_mut(), 2), Err(Status(62)));
    assert_eq!(provider.permission_help(&name, 4, true), Ok((wide("h"), 41)));
}
