// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Testing

@Suite struct `Base64 text` {
    @Test(
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
        ])
    func `is that of RFC 4648`(_ plain: String, _ text: String) {
        let bytes = Array(plain.utf8)
        let unpadded = text.filter { $0 != "=" }

        #expect(Base64.standard.encode(bytes) == text)
        #expect(Base64.standard.decode(text) == bytes)
        #expect(Base64.urlSafe.encode(bytes) == unpadded)
        #expect(Base64.urlSafe.decode(unpadded) == bytes)
    }

    @Test func `uses the alphabet it names`() {
        let bytes: [UInt8] = [0xfb, 0xef, 0xff]

        #expect(Base64.standard.encode(bytes) == "++//")
        #expect(Base64.urlSafe.encode(bytes) == "--__")
        #expect(Base64.standard.decode("--__") == nil)
        #expect(Base64.urlSafe.decode("++//") == nil)
    }

    @Test(arguments: ["Zg", "Zg=", "Zg===", "Z", "====", "Zh==", "Zm9=", "Zm 9v", "Zm9v\n", "=Zg=", "Zm9é"])
    func `in another form than encoding makes is refused`(_ text: String) {
        #expect(Base64.standard.decode(text) == nil)
    }

    @Test(arguments: ["Zg==", "Z", "Zh", "Zm9v\u{0}", "Zm9v="])
    func `for URLs in another form is refused`(_ text: String) {
        #expect(Base64.urlSafe.decode(text) == nil)
    }

    @Test func `carries every byte`() {
        let bytes = Array(UInt8.min...UInt8.max)

        #expect(Base64.standard.decode(Base64.standard.encode(bytes)) == bytes)
        #expect(Base64.urlSafe.decode(Base64.urlSafe.encode(bytes)) == bytes)
    }

    @Test func `of the Basic credentials and the raw mail in the providers' documents`() {
        #expect(
            Base64.standard.encode(Array("s6BhdRkqt3:7Fjfp0ZBr1KtDRbnfVdmIw".utf8))
                == "czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3")
        #expect(
            Base64.urlSafe.encode(Array("To: to@example.com\r\nSubject: Hello\r\n\r\nHi".utf8))
                == "VG86IHRvQGV4YW1wbGUuY29tDQpTdWJqZWN0OiBIZWxsbw0KDQpIaQ")
    }
}

@Suite struct `Hexadecimal text` {
    @Test func `carries every byte`() {
        let bytes = Array(UInt8.min...UInt8.max)

        #expect(Hex.decode(Hex.encode(bytes)) == bytes)
        #expect(Hex.encode([0, 15, 255]) == "000fff")
        #expect(Hex.decode("000FfF") == [0, 15, 255])
        #expect(Hex.decode("") == [])
    }

    @Test(arguments: ["0", "0g", "0x00", " 00", "00\n", "é0"])
    func `with anything else in it is refused`(_ text: String) {
        #expect(Hex.decode(text) == nil)
    }
}
