// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model
import PageScanner
import RawStructuredFieldValues

/// Where a provider's responses say what is left of its limits.
struct LimitFeedback: Sendable {
    /// Headers of the provider's own.
    struct Headers: Sendable, Equatable {
        /// When what is left is filled up again.
        enum Refill: Sendable, Equatable {
            /// Another header says it.
            case header(String, ResetFormat)
            /// No header says it: so long after the response at the latest.
            case window(Duration)
        }

        let remaining: String
        let refill: Refill
        /// The limit that they are about; nil for the narrowest of a request.
        let limit: String?
    }

    /// A header that says how full a bucket is, and how much it holds: `32/40`. It empties at the speed of its limit.
    struct Bucket: Sendable, Equatable {
        let header: String
        let limit: String
    }

    /// How a reset time is written.
    enum ResetFormat: String, Sendable, CaseIterable {
        /// Seconds from now.
        case seconds
        case epochSeconds = "epoch_seconds"
        case epochMilliseconds = "epoch_milliseconds"
        case httpDate = "http_date"
        case rfc3339
    }

    /// A header that says which limit a refusal is about.
    struct Reason: Sendable, Equatable {
        let header: String
        /// The header's values, and the limits that they mean.
        let limits: [String: String]
    }

    /// Where a response says what its request took from a limit.
    struct CostSource: Sendable, Equatable {
        let limit: String
        let actual: ValueSource
        /// The units that are there now, and how many come back each second.
        let available: ValueSource?
        let restoreRate: ValueSource?

        /// All places, in a fixed order.
        var sources: [ValueSource?] { [actual, available, restoreRate] }
    }

    var headers: [Headers] = []
    var reason: Reason?
    var costs: [CostSource] = []
    var buckets: [Bucket] = []

    /// The manifest's headers where it names some; else those of the IETF draft and the common `X-RateLimit-*`.
    func signals(of response: HTTPResponse) -> LimitSignals {
        var signals = LimitSignals()
        if headers.isEmpty, buckets.isEmpty {
            signals.quotas = RateLimitHeaders.quotas(response.headers)
        } else {
            signals.quotas = headers.compactMap { quota($0, response.headers) }
        }
        if let reason, let value = response.headers.first(reason.header) {
            signals.refusedLimit = reason.limits[value]
        }
        signals.charges = costs.compactMap { charge($0, response) }
        signals.charges += buckets.compactMap { charge($0, response.headers) }
        return signals
    }

    /// What one request took. A value that is missing, or no number, says nothing.
    private func charge(_ rule: CostSource, _ response: HTTPResponse) -> LimitSignals.Charge? {
        let pointers = rule.sources.compactMap { $0?.pointer }
        // Read only where the manifest says that there is something.
        let found = pointers.isEmpty ? [] : JSONValueReader.scalars(at: pointers, in: response.body)
        let values = Dictionary(zip(pointers, found), uniquingKeysWith: { first, _ in first })
        func number(_ source: ValueSource?) -> Double? {
            switch source {
            case nil: return nil
            case .header(let name): return response.headers.first(name).flatMap { Double(plain: $0) }
            case .body(let pointer):
                guard let value = values[pointer] ?? nil else { return nil }
                return value.text.flatMap { Double(plain: $0) }
            }
        }
        func units(_ value: Double?, _ rounding: FloatingPointRoundingRule) -> Int? {
            value.map { Int(min(Int64(saturating: $0.rounded(rounding)), Int64(LimitQuantity.maximum))) }
        }
        let actual = units(number(rule.actual), .up)
        let available = units(number(rule.available), .down)
        guard actual != nil || available != nil else { return nil }
        return LimitSignals.Charge(
            limit: rule.limit, actual: actual, available: available,
            restoredPerSecond: number(rule.restoreRate))
    }

    /// What a bucket has room for. It says nothing of this request alone.
    private func charge(_ rule: Bucket, _ headers: HTTPHeaders) -> LimitSignals.Charge? {
        guard let parts = headers.first(rule.header)?.split(separator: "/", omittingEmptySubsequences: false),
            parts.count == 2, let used = HeaderNumber.whole(String(parts[0])),
            let size = HeaderNumber.whole(String(parts[1])), size > 0
        else { return nil }
        return LimitSignals.Charge(
            limit: rule.limit, actual: nil, available: min(max(0, size - used), LimitQuantity.maximum))
    }

    private func quota(_ rule: Headers, _ headers: HTTPHeaders) -> LimitSignals.Quota? {
        guard let remaining = headers.first(rule.remaining).flatMap(HeaderNumber.whole) else { return nil }
        switch rule.refill {
        case .window(let window):
            return LimitSignals.Quota(limit: rule.limit, remaining: remaining, reset: .after(window))
        case .header(let name, let format):
            guard let text = headers.first(name), let reset = Self.reset(text, format, headers) else {
                return nil
            }
            return LimitSignals.Quota(limit: rule.limit, remaining: remaining, reset: reset)
        }
    }

    private static func reset(
        _ text: String, _ format: ResetFormat, _ headers: HTTPHeaders
    ) -> LimitSignals.Reset? {
        switch format {
        case .seconds: HeaderNumber.seconds(text).map { .after($0) }
        case .epochSeconds:
            HeaderNumber.whole(text).flatMap { relative(Timestamp(seconds: Int64($0)), headers) }
        case .epochMilliseconds:
            HeaderNumber.whole(text).flatMap { relative(Timestamp(milliseconds: Int64($0)), headers) }
        case .httpDate: HTTPDate.parse(text).flatMap { relative($0, headers) }
        case .rfc3339: Timestamp(rfc3339: text).flatMap { relative($0, headers) }
        }
    }

    /// An instant of the provider's clock, seen from the response's own `Date`, so that no other clock matters. Nil for one
    /// further away than any limit: milliseconds where seconds are meant would shut the limit for 54,000 years. Without
    /// a `Date` the limiter compares with its own clock.
    static func relative(_ instant: Timestamp, _ headers: HTTPHeaders) -> LimitSignals.Reset? {
        guard let now = headers.first("Date").flatMap(HTTPDate.parse) else { return .at(instant) }
        guard instant > now else { return .after(.zero) }
        let wait = Duration.microseconds(instant.microseconds - now.microseconds)
        return wait <= LimitQuantity.periods.upperBound ? .after(wait) : nil
    }
}

/// Headers that many providers share.
private enum RateLimitHeaders {
    static func quotas(_ headers: HTTPHeaders) -> [LimitSignals.Quota] {
        let listed = structured(headers)
        if !listed.isEmpty { return listed }
        // Earlier versions of the draft, whose reset is in seconds.
        if let quota = pair(headers, "RateLimit-Remaining", "RateLimit-Reset") { return [quota] }
        return pair(headers, "X-RateLimit-Remaining", "X-RateLimit-Reset").map { [$0] } ?? []
    }

    /// `RateLimit: "default";r=50;t=30` and `RateLimit-Policy: "default";q=100;w=60`
    /// (draft-ietf-httpapi-ratelimit-headers). Without `t` the policy's window is the latest possible reset.
    private static func structured(_ headers: HTTPHeaders) -> [LimitSignals.Quota] {
        guard headers.first("RateLimit") != nil else { return [] }
        let windows = Dictionary(
            items(headers, "RateLimit-Policy").compactMap { item in
                item.parameters["w"].map { (item.name, $0) }
            }, uniquingKeysWith: { first, _ in first })
        return items(headers, "RateLimit").compactMap { item in
            guard let remaining = item.parameters["r"], remaining >= 0,
                let reset = item.parameters["t"] ?? windows[item.name], reset >= 0,
                .seconds(reset) <= LimitQuantity.periods.upperBound
            else { return nil }
            return LimitSignals.Quota(
                remaining: Int(min(remaining, Int64(LimitQuantity.maximum))), reset: .after(.seconds(reset)))
        }
    }

    private static func items(
        _ headers: HTTPHeaders, _ name: String
    ) -> [(name: String, parameters: [String: Int64])] {
        headers.all(name).flatMap { text -> [(name: String, parameters: [String: Int64])] in
            var parser = StructuredFieldValueParser(Array(text.utf8))
            let list: [ItemOrInnerList]
            do {
                list = try parser.parseListFieldValue()
            } catch {
                // Not what the draft describes: the provider means something else by the name.
                return []
            }
            return list.compactMap { element in
                guard case .item(let item) = element else { return nil }
                let name: String
                switch item.rfc9651BareItem {
                case .string(let text), .token(let text): name = text
                default: return nil
                }
                var parameters: [String: Int64] = [:]
                for (key, value) in item.rfc9651Parameters {
                    if case .integer(let number) = value { parameters[key] = number }
                }
                return (name, parameters)
            }
        }
    }

    private static func pair(_ headers: HTTPHeaders, _ remaining: String, _ reset: String) -> LimitSignals
        .Quota?
    {
        guard let left = headers.first(remaining).flatMap(HeaderNumber.whole), let text = headers.first(reset)
        else { return nil }
        return HeaderNumber.anyReset(text, headers).map { LimitSignals.Quota(remaining: left, reset: $0) }
    }
}

/// Numbers as headers have them.
private enum HeaderNumber {
    static func whole(_ text: String) -> Int? {
        guard let value = Double(plain: text), value >= 0, value < 1e16 else { return nil }
        return Int(value)
    }

    static func seconds(_ text: String) -> Duration? {
        guard let value = Double(plain: text), value >= 0, value <= LimitQuantity.periods.upperBound.seconds
        else {
            return nil
        }
        return .milliseconds(Int64(value * 1_000))
    }

    /// A reset of unknown form: by its size seconds from now, or seconds or milliseconds since 1970.
    static func anyReset(_ text: String, _ headers: HTTPHeaders) -> LimitSignals.Reset? {
        guard let value = Double(plain: text), value >= 0, value < 1e15 else {
            return HTTPDate.parse(text).flatMap { LimitFeedback.relative($0, headers) }
        }
        if value > 1e11 { return LimitFeedback.relative(Timestamp(milliseconds: Int64(value)), headers) }
        if value > 1e8 { return LimitFeedback.relative(Timestamp(seconds: Int64(value)), headers) }
        return seconds(text).map { .after($0) }
    }
}

extension Double {
    /// Digits with at most one point; none of the other forms that `Double` reads.
    fileprivate init?(plain text: String) {
        guard !text.isEmpty, text.utf8.count <= 24,
            text.utf8.allSatisfy({
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: ".")
            })
        else { return nil }
        self.init(text)
    }
}
