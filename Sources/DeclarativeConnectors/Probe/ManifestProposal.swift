// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import PageScanner

/// A manifest as a probe proposes it, with what was not found out as comments in it.
public struct ManifestProposal: Sendable {
    /// The manifest's text. It loads without problems.
    public let text: String
    /// What was not found out, one sentence each; they are comments of the text too.
    public let questions: [String]

    private static let sizeNames = [
        "limit", "per_page", "page_size", "pageSize", "maxResults", "page[size]", "count", "size", "top",
        "$top",
    ]
    private static let secretNames = [
        "api_key", "apikey", "key", "token", "access_token", "auth", "signature",
    ]

    init(_ seen: ProbeFindings, headers: [(name: String, value: String)], service: String?) throws(ProbeError)
    {
        var notes: [String] = []
        var query = seen.target.query.filter { $0.name != seen.timeParameter }
        let auth = Self.auth(headers, &query, &notes)
        let page = Self.page(seen, &query, &notes)
        let name = Self.streamName(seen.target.name)
        var stream = ["path: \(Self.quoted(seen.target.path))"]
        if !query.isEmpty {
            let pairs = query.map { "\(Self.quoted($0.name)): \(Self.quoted($0.value))" }
            stream.append("query: { \(pairs.joined(separator: ", ")) }")
        }
        let records = ProbeValue.pointer(seen.shape.path)
        switch seen.shape.layout {
        case .array: stream.append("records: \(Self.quoted(records))")
        case .lines: stream.append("layout: ndjson")
        case .keyed:
            stream.append("records: \(Self.quoted(records))")
            stream.append("keys_as_field: \(RecordShape.keyMember)")
            notes.append("The records are an object; its names are taken for their ids.")
        }
        if seen.shape.id == nil {
            notes.append("No member of the records was found that is an id: put its pointer in place of /id.")
        }
        stream.append("id: \(Self.quoted(seen.shape.id ?? "/id"))")
        stream += Self.change(seen, &notes)
        stream.append(page)
        stream.append("absence: \(Self.absence(seen, &notes))")
        notes.append(
            "The limits of the provider: add what its documentation says (limits, limit_feedback).")
        let identified = ["x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid"].first {
            seen.first.response.headers.first($0) != nil
        }
        var lines = [
            "# Proposed by a probe of \(seen.pages) page\(seen.pages == 1 ? "" : "s"); read it before you use it.",
            "lockstep: 1", "service: \(service ?? Self.service(seen.target.origin))",
            "base_url: \(Self.quoted(seen.target.origin))",
        ]
        if let auth { lines.append("auth: \(auth)") }
        if let identified { lines.append("request_id_header: \(identified)") }
        lines += ["streams:", "  \(name):"] + stream.map { "    \($0)" }
        lines += notes.map { "# Not known: \($0)" }
        text = lines.joined(separator: "\n") + "\n"
        questions = notes
        do throws(ManifestError) {
            _ = try ManifestLoader.load(text, file: "the proposal")
        } catch {
            throw ProbeError(message: "what was seen fits into no manifest: \(error.description)")
        }
    }

    // MARK: - Parts

    /// How requests prove who asks. Secrets of the probe do not get into the text.
    private static func auth(
        _ headers: [(name: String, value: String)], _ query: inout [ProbeTarget.Parameter],
        _ notes: inout [String]
    ) -> String? {
        let secret = query.first { secretNames.contains($0.name.lowercased()) }
        query.removeAll { secretNames.contains($0.name.lowercased()) }
        if let secret {
            return "{ kind: query, name: \(quoted(secret.name)), value: \"${secret.api_key}\" }"
        }
        guard let header = headers.first(where: { $0.name.lowercased() == "authorization" }) ?? headers.first
        else {
            notes.append("No credential was given: add auth when the provider needs one.")
            return nil
        }
        let scheme = header.value.split(separator: " ").first?.lowercased() ?? ""
        if header.name.lowercased() == "authorization" {
            if scheme == "bearer" {
                notes.append("Whether the token is a fixed one, or of OAuth (kind: oauth2_code).")
                return "{ kind: bearer, token: \"${secret.access_token}\" }"
            }
            if scheme == "basic" {
                return "{ kind: basic, username: \"${secret.username}\", password: \"${secret.password}\" }"
            }
        }
        if headers.count > 1 { notes.append("Which of the other headers are needed (headers).") }
        return "{ kind: header, name: \(quoted(header.name)), value: \"${secret.api_key}\" }"
    }

    private static func page(
        _ seen: ProbeFindings, _ query: inout [ProbeTarget.Parameter], _ notes: inout [String]
    ) -> String {
        let size = query.first { sizeNames.contains($0.name) && Int($0.value).map { $0 > 0 } ?? false }
        if let size { query.removeAll { $0.name == size.name } }
        guard let guess = seen.pagination else {
            notes.append(
                "Nothing led to a second page: the list may be one page (kind: none), or go on in a way that was not "
                    + "guessed. Compare it with the number of objects that the provider has.")
            if let size { query.append(size) }
            return "page: { kind: none }"
        }
        var parts: [String]
        var ends: [String]
        switch guess.kind {
        case .linkHeader: (parts, ends) = (["kind: link_header"], ["no_next_link"])
        case .nextURL(let path):
            parts = ["kind: next_url", "url: \(quoted(ProbeValue.pointer(path)))"]
            ends = [end(of: path, in: seen, &notes)]
        case .token(let path, let parameter):
            parts = [
                "kind: token", "token: \(quoted(ProbeValue.pointer(path)))",
                "parameter: \(quoted(parameter))",
            ]
            ends = [end(of: path, in: seen, &notes)]
        case .lastID(let parameter):
            (parts, ends) = (["kind: last_id", "parameter: \(quoted(parameter))"], [])
        case .pageNumber(let parameter, let first):
            query.removeAll { $0.name == parameter }
            parts = ["kind: page_number", "parameter: \(quoted(parameter))", "first: \(first)"]
            ends = ["empty_page"]
        case .offset(let parameter):
            query.removeAll { $0.name == parameter }
            (parts, ends) = (["kind: offset", "parameter: \(quoted(parameter))"], ["empty_page"])
        }
        if let flag = guess.flag {
            ends.append(
                "{ \(flag.whileMore ? "has_more" : "end_flag"): \(quoted(ProbeValue.pointer(flag.path))) }")
        }
        parts.append("end: [\(ends.joined(separator: ", "))]")
        let count = seen.shape.records(of: seen.first).count
        if let size {
            parts += ["size_parameter: \(quoted(size.name))", "size: \(size.value)"]
        } else {
            if case .offset = guess.kind { parts.append("size: \(count)") }
            notes.append(
                "The parameter for the page size, and the largest one; the first page had \(count) records.")
        }
        return "page: { \(parts.joined(separator: ", ")) }"
    }

    /// How a token or a URL is missing on the last page, as it was seen there.
    private static func end(of path: [String], in seen: ProbeFindings, _ notes: inout [String]) -> String {
        guard let last = seen.last else {
            notes.append("How the last page looks; \(seen.pages) pages were read and there are more.")
            return "absent"
        }
        switch last.value[path]?.scalar {
        case nil: return "missing"
        case .null: return "null"
        case .string(""): return "empty"
        default: return "absent"
        }
    }

    private static func change(_ seen: ProbeFindings, _ notes: inout [String]) -> [String] {
        var lines: [String] = []
        if let deleted = seen.shape.deleted {
            lines.append("tombstone: { pointer: \(quoted(deleted)), equals: true }")
        }
        guard let changed = seen.shape.changed else {
            notes.append("No time of change was found in the records: incremental reading needs another way.")
            return lines
        }
        lines.append("version: { pointer: \(quoted(changed.pointer)), format: \(changed.format) }")
        guard let parameter = seen.timeParameter else {
            notes.append(
                "The parameter that narrows the list to what changed since \(changed.pointer); with it: incremental: "
                    + "{ kind: time_param, parameter: NAME, cursor: \(changed.pointer), format: \(changed.format), "
                    + "compare: exclusive, granularity: 1s }")
            return lines
        }
        lines.append(
            "incremental: { kind: time_param, parameter: \(quoted(parameter)), cursor: \(quoted(changed.pointer)), "
                + "format: \(changed.format), compare: exclusive, granularity: 1s }")
        notes.append(
            "Whether \(parameter) also gives what equals it; exclusive is right for both. Whether a change shows at once "
                + "(lag).")
        return lines
    }

    private static func absence(_ seen: ProbeFindings, _ notes: inout [String]) -> String {
        guard let guess = seen.pagination else {
            notes.append("What an absence means: full_run, once it is certain that the list is read whole.")
            return "never"
        }
        return guess.isCounted ? "two_runs" : "full_run"
    }

    // MARK: - Names

    private static func service(_ origin: String) -> String {
        let host = origin.split(separator: "/").last?.split(separator: ":").first ?? "service"
        let labels = host.split(separator: ".")
        guard labels.count > 1, !labels.allSatisfy({ Int($0) != nil }) else { return "service" }
        let name = labels[labels.count - 2].filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
        return name.isEmpty ? "service" : String(name.prefix(64))
    }

    private static func streamName(_ name: String) -> String {
        var result = ""
        for character in name.prefix(64) {
            if character.isUppercase, !result.isEmpty, result.last != "_" { result += "_" }
            result +=
                character.isASCII && (character.isLetter || character.isNumber) ? character.lowercased() : "_"
        }
        return result.first?.isLetter == true ? String(result.prefix(64)) : "items"
    }

    /// A text as YAML reads it back: JSON's form is YAML's too.
    private static func quoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || "/_".utf8.contains(byte)
        }
        let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        if isPlain, !text.isEmpty, !words.contains(text.lowercased()) { return text }
        var bytes: [UInt8] = []
        JSONTree.write(text, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }
}
