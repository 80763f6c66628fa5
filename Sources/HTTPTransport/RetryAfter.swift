// SPDX-License-Identifier: Apache-2.0

import Model

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date that is compared with the response's own `Date`.
public enum RetryAfter {
    /// What a response asks for that is longer is cut to this: who waits longer learns too late that it is over.
    public static let longest: Duration = .seconds(3_600)

    /// Between one second and one hour; nil when there is no such header, or it says nothing usable. A date is of use only
    /// beside the provider's own: this machine's clock may be wrong.
    public static func wait(in headers: HTTPHeaders) -> Duration? {
        guard let value = headers.first("Retry-After") else { return nil }
        let seconds: Int64
        if let number = number(value) {
            seconds = Int64(saturating: number.rounded(.up))
        } else if let until = HTTPDate.parse(value), let now = headers.first("Date").flatMap(HTTPDate.parse) {
            seconds = until.seconds - now.seconds
        } else {
            return nil
        }
        return min(max(.seconds(seconds), .seconds(1)), longest)
    }

    /// Digits with a sign and a fraction at most, as some providers write them; none of the other forms that `Double` reads.
    private static func number(_ text: String) -> Double? {
        let isPlain = text.utf8.enumerated().allSatisfy { index, byte in
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: ".")
                || (index == 0 && byte == UInt8(ascii: "-"))
        }
        return isPlain ? Double(text) : nil
    }
}
