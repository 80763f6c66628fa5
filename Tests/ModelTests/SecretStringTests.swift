// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@Suite struct `A secret` {
    private let secret = SecretString("sk_live_1234")

    @Test func `does not print itself`() {
        var dumped = ""
        dump(["key": secret], to: &dumped)

        for text in ["\(secret)", String(reflecting: secret), String(describing: [secret]), dumped] {
            #expect(!text.contains("sk_live"))
        }
    }

    @Test func `is exposed only by name`() {
        #expect(secret.exposed == "sk_live_1234")
        #expect(secret.byteCount == 12)
    }
}
