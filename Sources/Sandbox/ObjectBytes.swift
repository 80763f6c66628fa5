// SPDX-License-Identifier: Apache-2.0

import Model

/// The ids and the JSON of objects: the same bytes for the same state, in every process.
enum ObjectBytes {
    static func identifier(_ key: CollectionKey, _ index: Int) -> String {
        switch key.stream {
        case .customers: "cus_\(code(key, index, 14))"
        case .products: "prod_\(code(key, index, 14))"
        case .invoices: "in_\(code(key, index, 24))"
        case .calendars:
            index == 0 ? "u_\(key.user)@example.com" : "c_\(code(key, index, 26))@group.calendar.google.com"
        case .events: "evt\(code(key, index, 23))"
        }
    }

    static func json(_ key: CollectionKey, _ index: Int, _ state: ObjectState) -> String {
        let id = identifier(key, index)
        let revision = state.revision
        switch key.stream {
        case .customers:
            return """
                {"id":"\(id)","object":"customer","created":\(state.created),"email":"user\(index)@example.com",\
                "name":"Zo\u{EB} \\"Q\\" \u{1F600} \(index)","balance":\(-12 * Int(revision)),"currency":"usd",\
                "delinquent":\(revision % 2 == 1),"phone":null,\
                "metadata":{"plan":"pro","rev":"\(revision)","big":"12345678901234567890","note":"a\\u00e9\\/b"}}
                """
        case .products:
            return """
                {"id":"\(id)","object":"product","created":\(state.created),"active":\(revision % 2 == 0),\
                "name":"Product \(index)","weight":1.10,"unit":12345678901234567890,"rev":\(revision),"images":[]}
                """
        case .invoices:
            return """
                {"id":"\(id)","object":"invoice","created":\(state.created),"number":"F-\(index)",\
                "amount_due":\(100 * index + Int(revision)),"status":"\(revision % 2 == 0 ? "open" : "paid")",\
                "lines":{"object":"list","data":[{"id":"il_\(index)","amount":\(index)}],"has_more":false}}
                """
        case .calendars:
            return """
                {"kind":"calendar#calendarListEntry","etag":"\\"\(revision)\\"","id":"\(id)",\
                "summary":"Calendar \(index)","timeZone":"Europe/Berlin","accessRole":"owner"}
                """
        case .events where state.isDeleted:
            return """
                {"kind":"calendar#event","etag":"\\"\(state.changedAt)\\"","id":"\(id)","status":"cancelled",\
                "updated":"\(Timestamp(seconds: state.updated).rfc3339)"}
                """
        case .events:
            return """
                {"kind":"calendar#event","etag":"\\"\(state.changedAt)\\"","id":"\(id)","status":"confirmed",\
                "created":"\(Timestamp(seconds: state.created).rfc3339)",\
                "updated":"\(Timestamp(seconds: state.updated).rfc3339)","summary":"Meeting \(index) \u{2013} rev \(revision)",\
                "start":{"dateTime":"2026-03-01T09:00:00+01:00"},"end":{"dateTime":"2026-03-01T10:00:00+01:00"}}
                """
        }
    }

    /// Letters and digits that look random and are not.
    private static func code(_ key: CollectionKey, _ index: Int, _ length: Int) -> String {
        let alphabet = Array("abcdefghijklmnopqrstuv0123456789".utf8)
        let stream = UInt64(SandboxStream.allCases.firstIndex(of: key.stream) ?? 0)
        var random = SplitMix64(
            state: UInt64(key.user) << 40 ^ UInt64(index) << 8 ^ stream << 4 ^ UInt64(key.parent))
        return String(
            decoding: (0..<length).map { _ in alphabet[Int(random.next() & 31)] }, as: UTF8.self)
    }
}
