// SPDX-License-Identifier: Apache-2.0

import Model

/// Reads `hmac`, a scheme that a manifest describes.
struct HMACSchemeLoader {
    let owner: MappingReader

    static let keys = [
        "algorithm", "header", "prefix", "encoding", "signed", "timestamp", "timestamp_unit", "tolerance",
    ]

    init(_ owner: MappingReader) { self.owner = owner }

    func load() -> HMACScheme? {
        guard let reader = owner.mapping("hmac", keys: Self.keys, required: true) else { return nil }
        var algorithm: HMACScheme.Algorithm? = .sha256
        var encoding: HMACScheme.Encoding? = .hex
        if reader.has("algorithm") { algorithm = reader.word("algorithm", HMACScheme.Algorithm.self) }
        if reader.has("encoding") { encoding = reader.word("encoding", HMACScheme.Encoding.self) }
        let header = header("header", reader, required: true)
        let time = time(reader)
        let signed = signed(reader, hasTime: reader.has("timestamp"))
        guard let algorithm, let encoding, let header, let signed else { return nil }
        return HMACScheme(
            header: header, prefix: reader.has("prefix") ? reader.text("prefix") ?? "" : "",
            algorithm: algorithm, encoding: encoding, signed: signed, time: time)
    }

    private func header(_ key: String, _ reader: MappingReader, required: Bool = false) -> String? {
        guard let text = reader.text(key, required: required) else { return nil }
        guard MappingReader.isHeaderName(text) else {
            reader.complain(key, "'\(text)' is not allowed; the name of a header")
            return nil
        }
        return text
    }

    private func time(_ reader: MappingReader) -> HMACScheme.Time? {
        guard reader.has("timestamp") else {
            for key in ["timestamp_unit", "tolerance"] where reader.has(key) {
                reader.complain(key, "means nothing without 'timestamp', the header with the time")
            }
            return nil
        }
        guard let name = header("timestamp", reader) else { return nil }
        var time = HMACScheme.Time(header: name)
        if reader.has("timestamp_unit"), let unit = reader.word("timestamp_unit", HMACScheme.TimeUnit.self) {
            time.unit = unit
        }
        if let tolerance = reader.duration("tolerance", in: .seconds(1) ... .seconds(3_600)) {
            time.tolerance = tolerance
        }
        return time
    }

    /// A time that is not among what is signed could be changed by whoever replays a request.
    private func signed(_ reader: MappingReader, hasTime: Bool) -> [HMACScheme.Part]? {
        guard let text = reader.text("signed", required: true) else { return nil }
        var parts: [HMACScheme.Part] = []
        var rest = text[...]
        while let open = rest.firstRange(of: "${") {
            if open.lowerBound > rest.startIndex { parts.append(.text(String(rest[..<open.lowerBound]))) }
            guard let close = rest[open.upperBound...].firstIndex(of: "}"),
                let part = Self.part(String(rest[open.upperBound..<close]))
            else {
                reader.complain(
                    "signed",
                    "'\(text)' is not allowed; text with ${body}, ${timestamp}, ${method}, ${url} and ${header.NAME}"
                )
                return nil
            }
            parts.append(part)
            rest = rest[rest.index(after: close)...]
        }
        if !rest.isEmpty { parts.append(.text(String(rest))) }
        if parts.count(where: { $0 == .body }) != 1 {
            reader.complain("signed", "has to have ${body} once: else the content could be changed")
        }
        if parts.contains(.timestamp) != hasTime {
            reader.complain(
                hasTime ? "signed" : "timestamp",
                hasTime
                    ? "has to have ${timestamp}: a time that is not signed stops no replay"
                    : "is missing; the header that has the ${timestamp} that is signed")
        }
        return parts
    }

    private static func part(_ name: String) -> HMACScheme.Part? {
        switch name {
        case "body": return .body
        case "timestamp": return .timestamp
        case "method": return .method
        case "url": return .url
        default:
            guard name.hasPrefix("header.") else { return nil }
            let header = String(name.dropFirst("header.".count))
            return MappingReader.isHeaderName(header) ? .header(header) : nil
        }
    }
}
