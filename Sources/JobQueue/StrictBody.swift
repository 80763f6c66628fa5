// SPDX-License-Identifier: Apache-2.0

/// Whether a text is JSON that no two readers understand differently.
public enum StrictBody {
    /// Deeper than what providers send, and shallow enough for any stack.
    private static let maxDepth = 100

    /// What is wrong with a body; nil when it is one value of strict JSON without duplicate keys.
    public static func problem(in bytes: [UInt8]) -> String? {
        bytes.withUnsafeBufferPointer { buffer in
            do throws(JSONProblem) {
                _ = try StrictJSON.parse(buffer, maxDepth: maxDepth)
                return nil
            } catch {
                return "\(error.reason) (byte \(error.offset))"
            }
        }
    }
}
