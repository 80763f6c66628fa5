// SPDX-License-Identifier: Apache-2.0

public import Model

/// Takes secrets out of what a provider sent, before it is shown or kept.
public enum Redaction {
    /// Shorter ones are words that a text may have for other reasons.
    private static let shortest = 4

    /// At most the first `bytes` bytes of a body, with `<secret>` for each secret that begins there: wherever it ends, no part of
    /// it is left.
    public static func beginning(of body: [UInt8], bytes: Int, without secrets: [SecretString]) -> [UInt8] {
        let known = secrets.map { Array($0.exposed.utf8) }.filter { $0.count >= shortest }
        // A secret that the cut would halve is looked for in the whole body, and what is behind the cut never moves before it.
        let cut = min(bytes, body.count)
        var result: [UInt8] = []
        result.reserveCapacity(cut)
        // Secrets may overlap, so what one covers is still looked at.
        var hiddenUntil = 0
        for index in 0..<cut {
            let end =
                known.filter { $0[0] == body[index] && body[index...].starts(with: $0) }
                .map { index + $0.count }.max() ?? 0
            if end > 0, index >= hiddenUntil { result += "<secret>".utf8 }
            hiddenUntil = max(hiddenUntil, end)
            if index >= hiddenUntil { result.append(body[index]) }
        }
        return Array(result.prefix(bytes))
    }
}
