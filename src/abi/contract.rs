//! Made from `c_shim/core.h` by `make bindings`; not to be edited.

pub const SC_CONTRACT_VERSION: u32 = 6;
pub const SC_DRIVER_INSERT: u32 = 1;
pub const SC_DRIVER_INSERT_DELAYED: u32 = 2;
pub const SC_DRIVER_RUN: u32 = 4;
pub const SC_DRIVER_SELECT: u32 = 8;
pub const SC_COLUMNS: u32 = 64;
pub const SC_SINKS: u32 = 256;
pub const SC_PARAMETERS: u32 = 128;
pub const SC_GIVEN_HEP_VERSION: u32 = 1;
pub const SC_GIVEN_IP_PROTOCOL: u32 = 2;
pub const SC_GIVEN_TIME: u32 = 4;
pub const SC_GIVEN_AGENT: u32 = 8;
pub const SC_GIVEN_CORRELATION: u32 = 16;
pub const SC_GIVEN_PAYLOAD_TYPE: u32 = 32;
pub const SC_GIVEN_COLLECTOR: u32 = 64;
pub const SC_CUSTOM_FIELDS: u32 = 3;
pub const SC_CHUNK_ROOM: u32 = 64;
pub const SC_CHUNK_ARGUMENTS: u32 = 4;
pub const SC_X_HEADERS: u32 = 512;
pub const SC_COMMANDS: u32 = 8;
impl sc_status {
    pub const SC_OK: sc_status = sc_status(0);
    pub const SC_ERR_NULL_POINTER: sc_status = sc_status(-1);
    pub const SC_ERR_UNKNOWN_HANDLE: sc_status = sc_status(-2);
    pub const SC_ERR_PANIC: sc_status = sc_status(-3);
    pub const SC_ERR_WRONG_STATE: sc_status = sc_status(-4);
    pub const SC_ERR_CONTRACT_VERSION: sc_status = sc_status(-5);
    pub const SC_ERR_UNKNOWN_NAME: sc_status = sc_status(-6);
    pub const SC_ERR_INVALID_VALUE: sc_status = sc_status(-7);
    pub const SC_ERR_IO: sc_status = sc_status(-8);
    pub const SC_ERR_CAPTURE_OFF: sc_status = sc_status(-9);
    pub const SC_ERR_QUEUE_FULL: sc_status = sc_status(-10);
    pub const SC_ERR_TOO_LARGE: sc_status = sc_status(-11);
    pub const SC_ERR_REFUSED: sc_status = sc_status(-12);
    pub const SC_ERR_NO_COLLECTOR: sc_status = sc_status(-13);
    pub const SC_ERR_NO_TABLE: sc_status = sc_status(-14);
    pub const SC_ERR_WRONG_THREAD: sc_status = sc_status(-15);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct sc_status(pub ::std::os::raw::c_int);
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_bytes {
    pub ptr: *const ::std::os::raw::c_char,
    pub len: usize,
}
impl Default for sc_bytes {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
impl sc_log_level {
    pub const SC_LOG_ERROR: sc_log_level = sc_log_level(1);
    pub const SC_LOG_WARNING: sc_log_level = sc_log_level(2);
    pub const SC_LOG_INFO: sc_log_level = sc_log_level(3);
    pub const SC_LOG_DEBUG: sc_log_level = sc_log_level(4);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct sc_log_level(pub ::std::os::raw::c_uint);
impl sc_database_answer {
    pub const SC_DATABASE_YES: sc_database_answer = sc_database_answer(0);
    pub const SC_DATABASE_NO: sc_database_answer = sc_database_answer(1);
    pub const SC_DATABASE_NO_MODULE: sc_database_answer = sc_database_answer(2);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct sc_database_answer(pub ::std::os::raw::c_uint);
impl sc_value_kind {
    pub const SC_VALUE_TIME: sc_value_kind = sc_value_kind(1);
    pub const SC_VALUE_INT: sc_value_kind = sc_value_kind(2);
    pub const SC_VALUE_BIGINT: sc_value_kind = sc_value_kind(3);
    pub const SC_VALUE_TEXT: sc_value_kind = sc_value_kind(4);
    pub const SC_VALUE_BLOB: sc_value_kind = sc_value_kind(5);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct sc_value_kind(pub ::std::os::raw::c_uint);
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_value {
    pub kind: sc_value_kind,
    pub number: i64,
    pub bytes: sc_bytes,
}
impl Default for sc_value {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_row {
    pub table: sc_bytes,
    pub columns: *const sc_bytes,
    pub values: *const sc_value,
    pub count: u32,
    pub delayed: u8,
}
impl Default for sc_row {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
impl sc_ipv6_style {
    pub const SC_IPV6_SHORT: sc_ipv6_style = sc_ipv6_style(0);
    pub const SC_IPV6_LOWER: sc_ipv6_style = sc_ipv6_style(1);
    pub const SC_IPV6_UPPER: sc_ipv6_style = sc_ipv6_style(2);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct sc_ipv6_style(pub ::std::os::raw::c_uint);
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_host {
    pub contract_version: u32,
    pub release: u32,
    pub ipv6_style: sc_ipv6_style,
    pub user: i64,
    pub group: i64,
    pub children_kill_timeout: u32,
    pub main_kill_timeout: u32,
    pub log: ::std::option::Option<
        unsafe extern "C" fn(level: sc_log_level, text: *const ::std::os::raw::c_char, len: usize),
    >,
    pub database_bind: ::std::option::Option<
        unsafe extern "C" fn(sink: u32, module: sc_bytes, abilities: *mut u32) -> sc_database_answer,
    >,
    pub database_connect: ::std::option::Option<
        unsafe extern "C" fn(sink: u32, url: sc_bytes, quote: *mut sc_bytes) -> sc_database_answer,
    >,
    pub database_insert:
        ::std::option::Option<unsafe extern "C" fn(sink: u32, row: *const sc_row) -> sc_database_answer>,
    pub database_run: ::std::option::Option<unsafe extern "C" fn(sink: u32, statement: sc_bytes) -> sc_database_answer>,
    pub database_select: ::std::option::Option<
        unsafe extern "C" fn(sink: u32, table: sc_bytes, column: sc_bytes, number: i32) -> sc_database_answer,
    >,
    pub database_close: ::std::option::Option<unsafe extern "C" fn(sink: u32)>,
}
impl Default for sc_host {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
#[repr(C)]
#[derive(Debug)]
pub struct sc_core {
    _unused: [u8; 0],
}
impl sc_parameter_kind {
    pub const SC_PARAMETER_TEXT: sc_parameter_kind = sc_parameter_kind(1);
    pub const SC_PARAMETER_NUMBER: sc_parameter_kind = sc_parameter_kind(2);
    pub const SC_PARAMETER_TEXTS: sc_parameter_kind = sc_parameter_kind(3);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct sc_parameter_kind(pub ::std::os::raw::c_uint);
unsafe extern "C" {
    pub fn sc_parameter_at(
        module: *const ::std::os::raw::c_char,
        index: u32,
        name: *mut *const ::std::os::raw::c_char,
        kind: *mut sc_parameter_kind,
    ) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_parameter_meant(module: *const ::std::os::raw::c_char, index: u32, meant: *mut u32) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_core_new(
        host: *const sc_host,
        module: *const ::std::os::raw::c_char,
        out: *mut *mut sc_core,
    ) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_core_free(core: *mut sc_core) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_core_set_text(core: *mut sc_core, name: *const ::std::os::raw::c_char, value: sc_bytes) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_core_set_number(core: *mut sc_core, name: *const ::std::os::raw::c_char, value: i64) -> sc_status;
}
impl sc_refusal {
    pub const SC_REFUSAL_NO_ENGINE: sc_refusal = sc_refusal(0);
    pub const SC_REFUSAL_NO_ROUTE: sc_refusal = sc_refusal(1);
    pub const SC_REFUSAL_EMPTY_ROUTE: sc_refusal = sc_refusal(2);
    pub const SC_REFUSAL_EVENT_TAKEN: sc_refusal = sc_refusal(3);
    pub const SC_REFUSAL_NO_MODULE: sc_refusal = sc_refusal(4);
    pub const SC_REFUSAL_NO_AVP: sc_refusal = sc_refusal(5);
    pub const SC_REFUSAL_NO_URI: sc_refusal = sc_refusal(6);
    pub const SC_REFUSAL_NO_SOCKET: sc_refusal = sc_refusal(7);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct sc_refusal(pub ::std::os::raw::c_uint);
unsafe extern "C" {
    pub fn sc_core_refuse(
        core: *mut sc_core,
        name: *const ::std::os::raw::c_char,
        value: sc_bytes,
        why: sc_refusal,
    ) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_core_check(core: *mut sc_core) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_core_writers(core: *mut sc_core, out: *mut u32) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_core_map_lanes(core: *mut sc_core, producers: u32) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_core_attach(core: *mut sc_core, producer: u32) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_writer_supervise(core: *mut sc_core, writer: u32) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_core_finish(core: *mut sc_core) -> sc_status;
}
impl sc_variable_kind {
    pub const SC_VARIABLE_NULL: sc_variable_kind = sc_variable_kind(0);
    pub const SC_VARIABLE_NUMBER: sc_variable_kind = sc_variable_kind(1);
    pub const SC_VARIABLE_TEXT: sc_variable_kind = sc_variable_kind(2);
    pub const SC_VARIABLE_BOTH: sc_variable_kind = sc_variable_kind(3);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct sc_variable_kind(pub ::std::os::raw::c_uint);
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_variable_value {
    pub kind: sc_variable_kind,
    pub number: i64,
    pub text: sc_bytes,
}
impl Default for sc_variable_value {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone)]
pub struct sc_address {
    pub length: u8,
    pub ip: [u8; 16usize],
    pub port: u16,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_metadata {
    pub given: u32,
    pub hep_version: u8,
    pub ip_protocol: u8,
    pub time_us: i64,
    pub agent: u32,
    pub correlation: sc_bytes,
    pub payload_type: i32,
    pub collector: sc_address,
}
impl Default for sc_metadata {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_message {
    pub source: sc_address,
    pub destination: sc_address,
    pub transport: u8,
    pub payload: sc_bytes,
    pub rewritten_uri: sc_bytes,
    pub call_id: sc_bytes,
    pub metadata: sc_metadata,
    pub custom: [sc_bytes; 3usize],
}
impl Default for sc_message {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_capture_needs {
    pub asks_script: u8,
    pub unmasks: u8,
    pub takes_hep: u8,
    pub correlation_chunk: u16,
    pub hep_route: sc_bytes,
}
impl Default for sc_capture_needs {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
unsafe extern "C" {
    pub fn sc_capture_setup(core: *mut sc_core, needs: *mut sc_capture_needs) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_mode_find(core: *mut sc_core, name: sc_bytes, out: *mut u32) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_message_call_id(core: *mut sc_core, message: *const sc_message, out: *mut sc_bytes) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_message_redacted(core: *mut sc_core, payload: sc_bytes, out: *mut sc_bytes) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_capture_sip(core: *mut sc_core, message: *const sc_message, table: sc_bytes, mode: u32) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_capture_report(
        core: *mut sc_core,
        message: *const sc_message,
        table: sc_bytes,
        correlation: sc_bytes,
        body: sc_bytes,
    ) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_float2int(value: sc_bytes, factor: sc_bytes, out: *mut i32) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_wait_open(core: *mut sc_core) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_wait_descriptor(core: *mut sc_core, descriptor: *mut i32) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_wait_position(core: *mut sc_core, position: *mut u64) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_wait_begin(core: *mut sc_core) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_wait_end(core: *mut sc_core) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_wait_clear(core: *mut sc_core) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_wait_passed(core: *mut sc_core, position: u64, passed: *mut u8) -> sc_status;
}
impl sc_hep_verdict {
    pub const SC_HEP_PASS: sc_hep_verdict = sc_hep_verdict(0);
    pub const SC_HEP_ROUTE: sc_hep_verdict = sc_hep_verdict(1);
    pub const SC_HEP_DONE: sc_hep_verdict = sc_hep_verdict(2);
    pub const SC_HEP_NEEDS_SCRIPT: sc_hep_verdict = sc_hep_verdict(3);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct sc_hep_verdict(pub ::std::os::raw::c_uint);
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_hep_packet {
    pub version: u8,
    pub transport: u8,
    pub source: sc_address,
    pub destination: sc_address,
    pub time_us: i64,
    pub payload: sc_bytes,
}
impl Default for sc_hep_packet {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
unsafe extern "C" {
    pub fn sc_hep_receive(
        core: *mut sc_core,
        datagram: sc_bytes,
        sender: *const sc_address,
        verdict: *mut sc_hep_verdict,
        packet: *mut sc_hep_packet,
    ) -> sc_status;
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_hep_decoded {
    pub message: sc_message,
    pub sender: sc_address,
    pub auth_key: sc_bytes,
}
impl Default for sc_hep_decoded {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
unsafe extern "C" {
    pub fn sc_hep_take(core: *mut sc_core, packet: *const sc_hep_decoded, verdict: *mut sc_hep_verdict) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_hep_accept(
        core: *mut sc_core,
        datagram: sc_bytes,
        verdict: *mut sc_hep_verdict,
        packet: *mut sc_hep_packet,
    ) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_hep_end(core: *mut sc_core, refused: sc_bytes) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_hep_variable(name: sc_bytes, variable: *mut u32) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_hep_variable_names(names: *mut *const ::std::os::raw::c_char) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_hep_variable_value(
        core: *mut sc_core,
        variable: u32,
        packet: sc_bytes,
        value: *mut sc_variable_value,
    ) -> sc_status;
}
impl sc_chunk_function {
    pub const SC_CHUNK_SET: sc_chunk_function = sc_chunk_function(0);
    pub const SC_CHUNK_GET: sc_chunk_function = sc_chunk_function(1);
    pub const SC_CHUNK_DELETE: sc_chunk_function = sc_chunk_function(2);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct sc_chunk_function(pub ::std::os::raw::c_uint);
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_chunk_arguments {
    pub chunk: sc_bytes,
    pub value: sc_bytes,
    pub value_type: sc_bytes,
    pub vendor: sc_bytes,
    pub older: u8,
}
impl Default for sc_chunk_arguments {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_chunk {
    pub kind: u16,
    pub field: u16,
    pub vendor: u16,
    pub settable: u8,
    pub number: u32,
    pub body: sc_bytes,
}
impl Default for sc_chunk {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
unsafe extern "C" {
    pub fn sc_chunk_check(function: sc_chunk_function, index: u32, text: sc_bytes) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_chunk_sort(
        function: sc_chunk_function,
        given: *const sc_bytes,
        arguments: *mut sc_chunk_arguments,
    ) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_chunk_find(text: sc_bytes, chunk: *mut sc_chunk) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_chunk_encode(
        arguments: *const sc_chunk_arguments,
        own_vendor: u16,
        buffer: *mut ::std::os::raw::c_char,
        chunk: *mut sc_chunk,
    ) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_chunk_one_family(source: *mut sc_address, destination: *mut sc_address, family: *mut u8) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_chunk_decode(
        chunk: *const sc_chunk,
        value_type: sc_bytes,
        buffer: *mut ::std::os::raw::c_char,
        value: *mut sc_variable_value,
    ) -> sc_status;
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_outer_packet {
    pub source: sc_address,
    pub destination: sc_address,
    pub transport: sc_bytes,
}
impl Default for sc_outer_packet {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
unsafe extern "C" {
    pub fn sc_outer_field(name: sc_bytes, field: *mut u32) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_outer_value(
        field: u32,
        packet: *const sc_outer_packet,
        buffer: *mut ::std::os::raw::c_char,
        value: *mut sc_variable_value,
    ) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_hep_version_value(version: u32, value: *mut sc_variable_value) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_hep_relay(core: *mut sc_core, uri: sc_bytes, packet: sc_bytes) -> sc_status;
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone)]
pub struct sc_hep_head {
    pub version: u8,
    pub ip_protocol: u8,
    pub payload_type: u8,
    pub source: sc_address,
    pub destination: sc_address,
    pub time_us: i64,
    pub agent: u32,
}
unsafe extern "C" {
    pub fn sc_packet_begin(core: *mut sc_core, head: *const sc_hep_head) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_packet_add(core: *mut sc_core, vendor: u16, kind: u16, body: sc_bytes) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_packet_finish(core: *mut sc_core, payload: sc_bytes, compressed: u8, packet: *mut sc_bytes) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_raw_open(core: *mut sc_core, readers: *mut u32) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_raw_receive(core: *mut sc_core, packet: *mut sc_hep_packet) -> sc_status;
}
impl sc_tracer {
    pub const SC_TRACER_SCRIPT: sc_tracer = sc_tracer(0);
    pub const SC_TRACER_CORE: sc_tracer = sc_tracer(1);
    pub const SC_TRACER_LOG: sc_tracer = sc_tracer(2);
    pub const SC_TRACER_TEXT: sc_tracer = sc_tracer(3);
    pub const SC_TRACER_FOLLOW: sc_tracer = sc_tracer(4);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct sc_tracer(pub ::std::os::raw::c_uint);
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_endpoint {
    pub transport: u8,
    pub is_socket: u8,
    pub address: sc_address,
    pub name: sc_bytes,
    pub text: sc_bytes,
}
impl Default for sc_endpoint {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_trace {
    pub tracer: sc_tracer,
    pub body: sc_bytes,
    pub call_id: sc_bytes,
    pub method: sc_bytes,
    pub status: sc_bytes,
    pub from_tag: sc_bytes,
    pub to_tag: sc_bytes,
    pub from: sc_endpoint,
    pub to: sc_endpoint,
    pub outgoing: u8,
    pub has_destination: u8,
    pub has_correlation: u8,
    pub destination: sc_bytes,
    pub correlation: sc_bytes,
    pub table: sc_bytes,
    pub users: *const sc_bytes,
    pub user_count: u32,
    pub sockets: *const sc_endpoint,
    pub socket_count: u32,
    pub time_us: i64,
}
impl Default for sc_trace {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_copies {
    pub uris: *const sc_bytes,
    pub count: u32,
    pub body: sc_bytes,
}
impl Default for sc_copies {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_trace_needs {
    pub follows_scripts: u8,
    pub stateless_acks: u8,
    pub dialog_acks: u8,
    pub dialog_spirals: u8,
    pub transaction_flags: u32,
    pub traces_traffic: u8,
    pub traffic_rows: u8,
    pub traffic_headers: u8,
    pub advertised: u8,
    pub ephemeral: u8,
    pub sends_copies: u8,
    pub socket_name: sc_bytes,
    pub socket_uri: sc_bytes,
}
impl Default for sc_trace_needs {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
unsafe extern "C" {
    pub fn sc_trace_setup(core: *mut sc_core, needs: *mut sc_trace_needs) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_trace_bind(core: *mut sc_core, from: *const sc_address) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_trace_is_on(core: *mut sc_core, on: *mut u8) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_trace_headers(
        core: *mut sc_core,
        trace: *const sc_trace,
        buffer: *mut ::std::os::raw::c_char,
        room: usize,
        length: *mut usize,
    ) -> sc_status;
}
impl sc_trace_function {
    pub const SC_FUNCTION_SIP_TRACE: sc_trace_function = sc_trace_function(0);
    pub const SC_FUNCTION_SIP_TRACE_MODE: sc_trace_function = sc_trace_function(1);
    pub const SC_FUNCTION_SIP_TRACE_MSG: sc_trace_function = sc_trace_function(2);
    pub const SC_FUNCTION_HLOG: sc_trace_function = sc_trace_function(3);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct sc_trace_function(pub ::std::os::raw::c_uint);
impl sc_scope {
    pub const SC_SCOPE_DEFAULT: sc_scope = sc_scope(0);
    pub const SC_SCOPE_UNKNOWN: sc_scope = sc_scope(1);
    pub const SC_SCOPE_MESSAGE: sc_scope = sc_scope(2);
    pub const SC_SCOPE_TRANSACTION: sc_scope = sc_scope(3);
    pub const SC_SCOPE_DIALOG: sc_scope = sc_scope(4);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct sc_scope(pub ::std::os::raw::c_uint);
unsafe extern "C" {
    pub fn sc_trace_scope(
        core: *mut sc_core,
        function: sc_trace_function,
        text: sc_bytes,
        scope: *mut sc_scope,
    ) -> sc_status;
}
impl sc_known {
    pub const SC_NOT_ASKED: sc_known = sc_known(0);
    pub const SC_NO: sc_known = sc_known(1);
    pub const SC_YES: sc_known = sc_known(2);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct sc_known(pub ::std::os::raw::c_uint);
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_trace_call {
    pub function: sc_trace_function,
    pub scope: sc_scope,
    pub method: sc_bytes,
    pub has_flag: u8,
    pub is_followed: u8,
    pub knows_transactions: u8,
    pub knows_dialogs: u8,
    pub is_seen_to: sc_known,
}
impl Default for sc_trace_call {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
impl sc_trace_step {
    pub const SC_STEP_LOOK_UP: sc_trace_step = sc_trace_step(0);
    pub const SC_STEP_ANSWER: sc_trace_step = sc_trace_step(1);
    pub const SC_STEP_TRACE: sc_trace_step = sc_trace_step(2);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct sc_trace_step(pub ::std::os::raw::c_uint);
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_trace_decision {
    pub step: sc_trace_step,
    pub follow: sc_scope,
    pub answer: i32,
}
impl Default for sc_trace_decision {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
unsafe extern "C" {
    pub fn sc_trace_decide(
        core: *mut sc_core,
        call: *const sc_trace_call,
        decision: *mut sc_trace_decision,
    ) -> sc_status;
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_trace_conclusion {
    pub follow: sc_scope,
    pub forgets_destination: u8,
    pub answer: i32,
}
impl Default for sc_trace_conclusion {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
unsafe extern "C" {
    pub fn sc_trace_conclude(
        function: sc_trace_function,
        follow: sc_scope,
        sent: sc_status,
        conclusion: *mut sc_trace_conclusion,
    ) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_trace_variable(name: sc_bytes, variable: *mut u32) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_trace_variable_names(names: *mut *const ::std::os::raw::c_char) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_trace_variable_value(
        core: *mut sc_core,
        variable: u32,
        shown: *const sc_trace,
        value: *mut sc_variable_value,
    ) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_trace_send(core: *mut sc_core, trace: *const sc_trace, copies: *mut sc_copies) -> sc_status;
}
impl sc_loss {
    pub const SC_LOSS_MALFORMED: sc_loss = sc_loss(0);
    pub const SC_LOSS_NO_LANE: sc_loss = sc_loss(1);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct sc_loss(pub ::std::os::raw::c_uint);
unsafe extern "C" {
    pub fn sc_trace_lose(core: *mut sc_core, why: sc_loss) -> sc_status;
}
#[repr(C)]
#[derive(Debug, Default, Copy, Clone)]
pub struct sc_forward_target {
    pub address: sc_address,
    pub transport: u8,
}
impl sc_forward_verdict {
    pub const SC_FORWARD_SEND: sc_forward_verdict = sc_forward_verdict(0);
    pub const SC_FORWARD_HELD: sc_forward_verdict = sc_forward_verdict(1);
    pub const SC_FORWARD_LOST: sc_forward_verdict = sc_forward_verdict(2);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct sc_forward_verdict(pub ::std::os::raw::c_uint);
unsafe extern "C" {
    pub fn sc_forward_open(core: *mut sc_core) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_forward_expect(core: *mut sc_core, uri: sc_bytes) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_forward_expect_any(core: *mut sc_core) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_forward_needs_process(core: *mut sc_core, needed: *mut u8, sends: *mut u8) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_forward_find(
        core: *mut sc_core,
        uri: sc_bytes,
        message: sc_bytes,
        verdict: *mut sc_forward_verdict,
        target: *mut sc_forward_target,
    ) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_forward_failed(core: *mut sc_core, uri: sc_bytes) -> sc_status;
}
impl sc_forward_step {
    pub const SC_FORWARD_WAIT: sc_forward_step = sc_forward_step(0);
    pub const SC_FORWARD_LOOK_UP: sc_forward_step = sc_forward_step(1);
    pub const SC_FORWARD_SEND_HELD: sc_forward_step = sc_forward_step(2);
}
#[repr(transparent)]
#[derive(Debug, Copy, Clone, Hash, PartialEq, Eq)]
pub struct sc_forward_step(pub ::std::os::raw::c_uint);
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_forward_work {
    pub step: sc_forward_step,
    pub name: sc_bytes,
    pub port: u16,
    pub transport: u8,
    pub target: sc_forward_target,
    pub uri: sc_bytes,
    pub message: sc_bytes,
}
impl Default for sc_forward_work {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
unsafe extern "C" {
    pub fn sc_forward_next(core: *mut sc_core, work: *mut sc_forward_work) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_forward_found(core: *mut sc_core, target: *const sc_forward_target) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_forward_not_found(core: *mut sc_core) -> sc_status;
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sc_reply {
    pub context: *mut ::std::os::raw::c_void,
    pub text: ::std::option::Option<unsafe extern "C" fn(context: *mut ::std::os::raw::c_void, text: sc_bytes)>,
    pub fault: ::std::option::Option<
        unsafe extern "C" fn(
            context: *mut ::std::os::raw::c_void,
            code: ::std::os::raw::c_int,
            text: sc_bytes,
            detail: sc_bytes,
        ),
    >,
    pub open: ::std::option::Option<unsafe extern "C" fn(context: *mut ::std::os::raw::c_void, name: sc_bytes)>,
    pub close: ::std::option::Option<unsafe extern "C" fn(context: *mut ::std::os::raw::c_void)>,
    pub number:
        ::std::option::Option<unsafe extern "C" fn(context: *mut ::std::os::raw::c_void, name: sc_bytes, value: u64)>,
    pub word: ::std::option::Option<
        unsafe extern "C" fn(context: *mut ::std::os::raw::c_void, name: sc_bytes, text: sc_bytes),
    >,
}
impl Default for sc_reply {
    fn default() -> Self {
        let mut s = ::std::mem::MaybeUninit::<Self>::uninit();
        unsafe {
            ::std::ptr::write_bytes(s.as_mut_ptr(), 0, 1);
            s.assume_init()
        }
    }
}
unsafe extern "C" {
    pub fn sc_command_at(
        module: *const ::std::os::raw::c_char,
        index: u32,
        name: *mut *const ::std::os::raw::c_char,
        description: *mut *const ::std::os::raw::c_char,
        takes_argument: *mut u8,
    ) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_command_in_module(
        module: *const ::std::os::raw::c_char,
        index: u32,
        name: *mut *const ::std::os::raw::c_char,
    ) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_command(
        core: *mut sc_core,
        name: *const ::std::os::raw::c_char,
        argument: sc_bytes,
        reply: *const sc_reply,
    ) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_counter_at(
        core: *mut sc_core,
        index: u32,
        name: *mut *const ::std::os::raw::c_char,
        description: *mut *const ::std::os::raw::c_char,
    ) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_counter_exported(
        core: *mut sc_core,
        group: sc_bytes,
        counter: sc_bytes,
        shown: sc_bytes,
        name: *mut *const ::std::os::raw::c_char,
    ) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_counter_not_exported(core: *mut sc_core) -> sc_status;
}
unsafe extern "C" {
    pub fn sc_counter_value(core: *mut sc_core, index: u32, value: *mut u64) -> sc_status;
}
/// Hands the name of every function to the macro `check`.
macro_rules! each_function {
    ($check:ident) => {
        $check! {
            sc_parameter_at,
            sc_parameter_meant,
            sc_core_new,
            sc_core_free,
            sc_core_set_text,
            sc_core_set_number,
            sc_core_refuse,
            sc_core_check,
            sc_core_writers,
            sc_core_map_lanes,
            sc_core_attach,
            sc_writer_supervise,
            sc_core_finish,
            sc_capture_setup,
            sc_mode_find,
            sc_message_call_id,
            sc_message_redacted,
            sc_capture_sip,
            sc_capture_report,
            sc_float2int,
            sc_wait_open,
            sc_wait_descriptor,
            sc_wait_position,
            sc_wait_begin,
            sc_wait_end,
            sc_wait_clear,
            sc_wait_passed,
            sc_hep_receive,
            sc_hep_take,
            sc_hep_accept,
            sc_hep_end,
            sc_hep_variable,
            sc_hep_variable_names,
            sc_hep_variable_value,
            sc_chunk_check,
            sc_chunk_sort,
            sc_chunk_find,
            sc_chunk_encode,
            sc_chunk_one_family,
            sc_chunk_decode,
            sc_outer_field,
            sc_outer_value,
            sc_hep_version_value,
            sc_hep_relay,
            sc_packet_begin,
            sc_packet_add,
            sc_packet_finish,
            sc_raw_open,
            sc_raw_receive,
            sc_trace_setup,
            sc_trace_bind,
            sc_trace_is_on,
            sc_trace_headers,
            sc_trace_scope,
            sc_trace_decide,
            sc_trace_conclude,
            sc_trace_variable,
            sc_trace_variable_names,
            sc_trace_variable_value,
            sc_trace_send,
            sc_trace_lose,
            sc_forward_open,
            sc_forward_expect,
            sc_forward_expect_any,
            sc_forward_needs_process,
            sc_forward_find,
            sc_forward_failed,
            sc_forward_next,
            sc_forward_found,
            sc_forward_not_found,
            sc_command_at,
            sc_command_in_module,
            sc_command,
            sc_counter_at,
            sc_counter_exported,
            sc_counter_not_exported,
            sc_counter_value,
        }
    };
}
pub(super) use each_function;
