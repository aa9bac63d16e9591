-- HEP versions 1, 2 and 3 for Wireshark, written from the specification and apart from the project's own decoder: the
-- second opinion that the tests compare it with. Every field of a packet is added flat to the tree, repeated ones
-- repeatedly; the payload of SIP packets goes to Wireshark's own SIP dissector.

local hep = Proto("hep", "Homer Encapsulation Protocol")

local fields = {
    version = ProtoField.uint8("hep.version", "Version"),
    header_length = ProtoField.uint8("hep.header_length", "Header length"),
    total_length = ProtoField.uint16("hep.total_length", "Total length"),
    trailing = ProtoField.uint16("hep.trailing", "Trailing bytes"),
    vendor = ProtoField.uint16("hep.chunk.vendor", "Vendor"),
    kind = ProtoField.uint16("hep.chunk.type", "Chunk type"),
    length = ProtoField.uint16("hep.chunk.length", "Chunk length"),
    family = ProtoField.uint8("hep.family", "Family"),
    ip_protocol = ProtoField.uint8("hep.ip_protocol", "IP protocol"),
    source_ip4 = ProtoField.ipv4("hep.source_ip4", "Source"),
    destination_ip4 = ProtoField.ipv4("hep.destination_ip4", "Destination"),
    source_ip6 = ProtoField.ipv6("hep.source_ip6", "Source"),
    destination_ip6 = ProtoField.ipv6("hep.destination_ip6", "Destination"),
    source_port = ProtoField.uint16("hep.source_port", "Source port"),
    destination_port = ProtoField.uint16("hep.destination_port", "Destination port"),
    seconds = ProtoField.uint32("hep.seconds", "Seconds"),
    microseconds = ProtoField.uint32("hep.microseconds", "Microseconds"),
    payload_type = ProtoField.uint8("hep.payload_type", "Payload type"),
    agent_id = ProtoField.uint32("hep.agent_id", "Capture agent"),
    keep_alive = ProtoField.uint16("hep.keep_alive", "Keep-alive timer"),
    auth_key = ProtoField.bytes("hep.auth_key", "Authentication key"),
    payload = ProtoField.bytes("hep.payload", "Payload"),
    compressed = ProtoField.bytes("hep.compressed", "Compressed payload"),
    correlation_id = ProtoField.bytes("hep.correlation_id", "Correlation id"),
    vlan = ProtoField.uint16("hep.vlan", "VLAN"),
}
hep.fields = fields

local chunk_fields = {
    [0x01] = fields.family,
    [0x02] = fields.ip_protocol,
    [0x03] = fields.source_ip4,
    [0x04] = fields.destination_ip4,
    [0x05] = fields.source_ip6,
    [0x06] = fields.destination_ip6,
    [0x07] = fields.source_port,
    [0x08] = fields.destination_port,
    [0x09] = fields.seconds,
    [0x0a] = fields.microseconds,
    [0x0b] = fields.payload_type,
    [0x0c] = fields.agent_id,
    [0x0d] = fields.keep_alive,
    [0x0e] = fields.auth_key,
    [0x0f] = fields.payload,
    [0x10] = fields.compressed,
    [0x11] = fields.correlation_id,
    [0x12] = fields.vlan,
}

local function dissect_sip(range, pinfo, tree)
    if range ~= nil and range:len() > 0 then
        Dissector.get("sip"):call(range:tvb(), pinfo, tree)
    end
end

local function dissect_chunks(buffer, pinfo, tree, root)
    local total = buffer(4, 2):uint()
    tree:add(fields.version, buffer(0, 4), 3)
    tree:add(fields.total_length, buffer(4, 2))
    tree:add(fields.trailing, buffer(4, 2), buffer:len() - total)
    local at = 6
    local payload, payload_type
    while at < total do
        local vendor, kind, length = buffer(at, 2):uint(), buffer(at + 2, 2):uint(), buffer(at + 4, 2):uint()
        tree:add(fields.vendor, buffer(at, 2))
        tree:add(fields.kind, buffer(at + 2, 2))
        tree:add(fields.length, buffer(at + 4, 2))
        if length < 6 then
            error("chunk length " .. length)
        end
        if vendor == 0 and chunk_fields[kind] ~= nil and length > 6 then
            local body = buffer(at + 6, length - 6)
            tree:add(chunk_fields[kind], body)
            if kind == 0x0b then
                payload_type = body:uint()
            elseif kind == 0x0f then
                payload = body
            end
        end
        at = at + length
    end
    if payload_type == 1 then
        dissect_sip(payload, pinfo, root)
    end
end

local function dissect_fixed(buffer, pinfo, tree, root)
    local version = buffer(0, 1):uint()
    tree:add(fields.version, buffer(0, 1))
    tree:add(fields.header_length, buffer(1, 1))
    tree:add(fields.family, buffer(2, 1))
    tree:add(fields.ip_protocol, buffer(3, 1))
    tree:add(fields.source_port, buffer(4, 2))
    tree:add(fields.destination_port, buffer(6, 2))
    local at
    if buffer(2, 1):uint() == 2 then
        tree:add(fields.source_ip4, buffer(8, 4))
        tree:add(fields.destination_ip4, buffer(12, 4))
        at = 16
    else
        tree:add(fields.source_ip6, buffer(8, 16))
        tree:add(fields.destination_ip6, buffer(24, 16))
        at = 40
    end
    if version == 2 then
        tree:add_le(fields.seconds, buffer(at, 4))
        tree:add_le(fields.microseconds, buffer(at + 4, 4))
        tree:add_le(fields.agent_id, buffer(at + 8, 2))
        at = at + 12
    end
    tree:add(fields.payload_type, buffer(0, 1), 1)
    if at < buffer:len() then
        tree:add(fields.payload, buffer(at))
        dissect_sip(buffer(at), pinfo, root)
    end
end

function hep.dissector(buffer, pinfo, root)
    local tree = root:add(hep, buffer())
    if buffer(0, 1):uint() <= 2 then
        dissect_fixed(buffer, pinfo, tree, root)
    else
        dissect_chunks(buffer, pinfo, tree, root)
    end
    return buffer:len()
end

DissectorTable.get("udp.port"):add_for_decode_as(hep)
