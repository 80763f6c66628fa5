// SPDX-License-Identifier: Apache-2.0

import Model

extension JobPayload {
    /// Reads a payload, strictly: whatever is not exactly a job is a problem that says what to change.
    public static func parse(_ bytes: [UInt8]) -> Result<JobPayload, PayloadProblem> {
        parse(bytes[...])
    }

    /// Reads a payload that is part of a larger array, without copying it.
    public static func parse(_ bytes: ArraySlice<UInt8>) -> Result<JobPayload, PayloadProblem> {
        bytes.withUnsafeBufferPointer { buffer in
            do throws(PayloadProblem) {
                return .success(try parse(buffer))
            } catch {
                return .failure(error)
            }
        }
    }

    private static func parse(_ bytes: UnsafeBufferPointer<UInt8>) throws(PayloadProblem) -> JobPayload {
        guard bytes.contains(where: { $0 > 0x20 }) else {
            throw PayloadProblem(.empty, "the payload is empty; push a JSON object")
        }
        guard bytes.count <= maxBytes else {
            throw PayloadProblem(
                .tooLarge, "the payload has \(bytes.count) bytes; at most \(maxBytes) are allowed")
        }
        let node: JSONNode
        do {
            node = try StrictJSON.parse(bytes)
        } catch {
            throw PayloadProblem(error)
        }
        guard case .object(let members) = node.value else {
            throw PayloadProblem(
                .notAnObject, "the payload is \(node.kind), not a JSON object", at: node.range.lowerBound)
        }
        var fields = PayloadFields(bytes: bytes)
        try fields.checkVersion(members)
        for member in members { try fields.read(member) }
        return try fields.payload()
    }
}

/// The fields of a payload while they are read, and the rules between them.
private struct PayloadFields {
    private static let names = [
        "user_id", "service", "account", "integration_id", "type", "streams", "since", "until", "id",
        "not_before",
        "ref", "v",
    ]
    private static let aliases = [
        "user": "user_id", "uid": "user_id", "integration": "integration_id", "kind": "type", "job": "type",
        "stream": "streams", "from": "since", "start": "since", "to": "until", "end": "until", "version": "v",
        "jobid": "id", "svc": "service", "provider": "service", "runat": "not_before", "delay": "not_before",
    ]

    private let bytes: UnsafeBufferPointer<UInt8>
    private var userID: String?
    private var service: String?
    private var account: String?
    private var integrationID: Int64?
    private var type: JobType?
    private var streams: [String]?
    private var since: Timestamp?
    private var until: Timestamp?
    private var id: String?
    private var notBefore: Timestamp?
    private var ref: Int64?

    init(bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
    }

    /// The version comes first: a newer payload may have fields that are unknown here.
    func checkVersion(_ members: [JSONMember]) throws(PayloadProblem) {
        guard let member = members.first(where: { $0.key == "v" }) else { return }
        let version = try integer(member, 1...Int64.max)
        guard version == JobPayload.version else {
            throw PayloadProblem(
                .unsupportedVersion,
                "the payload has version \(version); this worker knows only \(JobPayload.version)",
                at: member.node.range.lowerBound)
        }
    }

    mutating func read(_ member: JSONMember) throws(PayloadProblem) {
        switch member.key {
        case "user_id": userID = try name(member)
        case "service": service = try name(member)
        case "account": account = try name(member)
        case "integration_id": integrationID = try integer(member, 1...JobPayload.maxIntegrationID)
        case "type": type = try jobType(member)
        case "streams": streams = try streamNames(member)
        case "since": since = try instant(member)
        case "until": until = try instant(member)
        case "id": id = try identifier(member)
        case "not_before": notBefore = try instant(member)
        case "ref": ref = try integer(member, 1...Int64.max)
        case "v": break
        default:
            let meant = Spelling.suggestion(for: member.key, among: Self.names, aliases: Self.aliases)
            let hint =
                meant.map { "did you mean \"\($0)\"?" } ?? "known are \(Self.names.joined(separator: ", "))"
            throw PayloadProblem(
                .unknownField, "unknown field \"\(member.key.excerpt)\"; \(hint)", at: member.offset)
        }
    }

    func payload() throws(PayloadProblem) -> JobPayload {
        guard let type else { throw missing("type", "one of \(Self.types)") }
        let integration = try integration()
        if let since, let until, until <= since {
            throw PayloadProblem(.badRange, "\"until\" must be later than \"since\"")
        }
        if type == .backfill, since == nil { throw missing("since", "as a backfill reads a time range") }
        let needsRef = type == .webhook || type == .action
        if needsRef, ref == nil { throw missing("ref", "the row id of the \(type.rawValue)") }
        if !needsRef, ref != nil {
            throw PayloadProblem(.badValue, "\"ref\" is only for webhook and action jobs; leave it out")
        }
        return JobPayload(
            integration: integration, type: type, streams: streams, since: since, until: until, id: id,
            notBefore: notBefore, ref: ref)
    }

    private static let types = JobType.allCases.map(\.rawValue).joined(separator: ", ")

    private func integration() throws(PayloadProblem) -> IntegrationReference {
        if let integrationID {
            guard userID == nil, service == nil, account == nil else {
                throw PayloadProblem(
                    .badValue, "give either \"integration_id\" or \"user_id\" and \"service\", not both")
            }
            return .id(integrationID)
        }
        guard let userID else { throw missing("user_id", "with \"service\", or \"integration_id\" instead") }
        guard let service else { throw missing("service", "for example \"stripe\"") }
        return .key(
            IntegrationKey(
                userID: userID, service: service, account: account ?? IntegrationKey.defaultAccount))
    }

    private func missing(_ field: String, _ hint: String) -> PayloadProblem {
        PayloadProblem(.missingField, "the field \"\(field)\" is missing: \(hint)")
    }

    private func wrongType(_ member: JSONMember, _ wanted: String) -> PayloadProblem {
        let hint = if case .null = member.node.value { "; leave it out instead of null" } else { "" }
        return PayloadProblem(
            .wrongType, "\"\(member.key)\" must be \(wanted), not \(member.node.kind)\(hint)",
            at: member.node.range.lowerBound)
    }

    private func bad(_ member: JSONMember, _ reason: String) -> PayloadProblem {
        PayloadProblem(.badValue, "\"\(member.key)\" \(reason)", at: member.node.range.lowerBound)
    }

    private func string(_ member: JSONMember) throws(PayloadProblem) -> String {
        guard case .string(let text) = member.node.value else { throw wrongType(member, "a string") }
        return text
    }

    private func name(_ member: JSONMember) throws(PayloadProblem) -> String {
        let text = try string(member)
        try checkName(text, of: member)
        return text
    }

    private func checkName(_ text: String, of member: JSONMember) throws(PayloadProblem) {
        guard !text.isEmpty else { throw bad(member, "must not be empty") }
        guard text.utf8.count <= JobPayload.maxNameBytes else {
            throw bad(member, "must have at most \(JobPayload.maxNameBytes) bytes")
        }
        guard !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            throw bad(member, "must not contain control characters")
        }
    }

    private func identifier(_ member: JSONMember) throws(PayloadProblem) -> String {
        let text = try string(member)
        let isAllowed = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: ":"),
                UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard isAllowed, (1...64).contains(text.utf8.count) else {
            throw bad(member, "must be 1 to 64 of the characters A-Z a-z 0-9 . _ : -")
        }
        return text
    }

    private func integer(_ member: JSONMember, _ range: ClosedRange<Int64>) throws(PayloadProblem) -> Int64 {
        guard case .number = member.node.value else { throw wrongType(member, "an integer") }
        let text = String(decoding: UnsafeBufferPointer(rebasing: bytes[member.node.range]), as: UTF8.self)
        guard let value = Int64(text) else {
            let isWhole = text.utf8.allSatisfy { $0 == UInt8(ascii: "-") || (0x30...0x39).contains($0) }
            throw isWhole
                ? bad(member, "is out of range: \(range.lowerBound) to \(range.upperBound)")
                : wrongType(member, "an integer without point or exponent")
        }
        guard range.contains(value) else {
            throw bad(member, "is out of range: \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    private func jobType(_ member: JSONMember) throws(PayloadProblem) -> JobType {
        let text = try string(member)
        if let type = JobType(rawValue: text) { return type }
        let meant = Spelling.suggestion(for: text, among: JobType.allCases.map(\.rawValue))
        let hint = meant.map { "did you mean \"\($0)\"?" } ?? "known are \(Self.types)"
        throw bad(member, "is \"\(text.excerpt)\", which is no job type; \(hint)")
    }

    private func streamNames(_ member: JSONMember) throws(PayloadProblem) -> [String] {
        guard case .array(let nodes) = member.node.value else {
            throw wrongType(member, "an array of strings")
        }
        guard !nodes.isEmpty else { throw bad(member, "is empty; leave it out for all streams") }
        guard nodes.count <= JobPayload.maxStreams else {
            throw bad(member, "must name at most \(JobPayload.maxStreams) streams")
        }
        var names: [String] = []
        var seen: Set<[UInt8]> = []
        for node in nodes {
            guard case .string(let text) = node.value else {
                throw PayloadProblem(
                    .wrongType, "\"streams\" must contain strings, not \(node.kind)",
                    at: node.range.lowerBound)
            }
            try checkName(text, of: member)
            guard seen.insert(Array(text.utf8)).inserted else {
                throw bad(member, "names the stream \"\(text.excerpt)\" twice")
            }
            names.append(text)
        }
        return names
    }

    private func instant(_ member: JSONMember) throws(PayloadProblem) -> Timestamp {
        let text = try string(member)
        guard let instant = Timestamp(rfc3339: text) else {
            throw PayloadProblem(
                .badValue,
                "\"\(member.key)\" must be a date and time with a zone (RFC 3339), as in \"2025-03-01T00:00:00Z\"",
                at: member.node.range.lowerBound)
        }
        return instant
    }
}
