# SPDX-License-Identifier: Apache-2.0
"""Downloads on a bad network, from a server that misbehaves.  After each fault nothing half-made
has a final name, the message says what to do, and the next try succeeds."""

import os
import signal
import time
import unittest

from holostest import FAILED, HOST, INTERRUPTED, INVALID, OK, VERIFY
from httpsserver import ConnectProxy, HttpsServer
from imagetest import ImageTest, disk, sha256, sha512

PATH = "/i/disk.qcow2"
DATA = disk()


class FaultTest(ImageTest):
    def pulls(self, ref, data=DATA):
        self.ok("pull", ref)
        self.assert_base(data)
        self.assertEqual(self.partial(), [])

    def refused(self, status, ref, match=None, **kw):
        result = self.fails(status, "pull", ref, match=match, **kw)
        self.assertEqual(self.bases(), [], f"{result}")
        return result

    def refused_then_pulls(self, code, match, data=DATA, **orders):
        """Refused while the orders hold, and fine without them."""
        ref = self.put_url(data, digest_of=DATA, **orders)
        result = self.refused(code, ref, match)
        self.put_url(DATA)
        self.pulls(ref)
        return result


class Broken(FaultTest):
    def test_cut_off_anywhere(self):
        size = len(DATA)
        for cut in 1, 511, 512, 513, 65536, size - 1:
            with self.subTest(cut=cut):
                path = f"/cut/{cut}.qcow2"
                ref = self.put_url(DATA, path, cut=cut, times=1)
                self.pulls(ref)
                self.assertEqual(self.server.ranges(path), [None, f"bytes={cut}-"])
                self.ok("images", "rm", ref)

    def test_cut_off_again_and_again(self):
        """As long as there is progress it goes on, whatever the number of tries."""
        env = {"HOLOS_FETCH_RETRIES": "1"}
        ref = self.put_url(DATA, cut=80000, times=4)
        self.ok("pull", ref, env=env)
        self.assert_base(DATA)

    def test_the_next_command_resumes(self):
        ref = self.put_url(DATA, cut=100000)
        self.refused(FAILED, ref, "broke off", env={"HOLOS_FETCH_RETRIES": "0"})
        self.assertEqual([os.path.getsize(p) for p in self.partial()], [100000])
        self.put_url(DATA)
        self.pulls(ref)
        self.assertEqual(self.server.ranges(PATH), [None, "bytes=100000-"])

    def test_stall(self):
        ref = self.put_url(DATA, stall=70000, times=1)
        self.pulls(ref)
        self.assertEqual(self.server.ranges(PATH), [None, "bytes=70000-"])

    def test_stalls_for_ever(self):
        self.refused_then_pulls(FAILED, r"no answer", stall=1000)

    def test_longer_than_it_is(self):
        self.refused_then_pulls(FAILED, r"broke off", length=len(DATA) + 10)

    def test_shorter_than_it_is(self):
        self.refused_then_pulls(VERIFY, r"is not what its publisher says", length=70000)

    def test_wrong_bytes(self):
        other = DATA[:-1] + bytes([DATA[-1] ^ 1])
        result = self.refused_then_pulls(VERIFY, r"is not what its publisher says", data=other)
        self.assertIn(PATH, result.err)
        self.assertIn("hint: ", result.err)
        self.assertEqual(self.partial(), [])

    def test_500_then_200(self):
        self.pulls(self.put_url(DATA, status=500, times=1))

    def test_500_for_ever(self):
        self.refused_then_pulls(FAILED, r"status 500", status=500)

    def test_retry_after(self):
        ref = self.put_url(DATA, status=429, retry_after="1", times=1)
        began = time.monotonic()
        self.pulls(ref)
        self.assertGreaterEqual(time.monotonic() - began, 1)

    def test_retry_after_too_long(self):
        ref = self.put_url(DATA, status=429, retry_after="4000")
        self.refused(FAILED, ref, [r"status 429", r"4000 seconds"])

    def test_nobody_listens(self):
        ref = self.put_url(DATA).replace(f":{self.server.port}/", ":1/")
        self.refused(FAILED, ref, "is there a network")

    def test_not_found(self):
        self.refused(FAILED, self.server.url("/i/none.qcow2") + "#sha256=" + sha256(b""),
                     [r"/i/none\.qcow2: status 404", "holos images --refresh"])


class Ranges(FaultTest):
    def cut_with(self, **orders):
        """The first answer is cut off, the others follow the orders."""
        ref = self.put_url(DATA, cut=100000, times=1)
        self.refused(FAILED, ref, env={"HOLOS_FETCH_RETRIES": "0"})
        self.put_url(DATA, **orders)
        self.pulls(ref)
        return self.server.ranges(PATH)

    def test_not_supported(self):
        self.assertEqual(self.cut_with(ranges="no"), [None, "bytes=100000-"])

    def test_answered_with_the_whole_body(self):
        self.assertEqual(self.cut_with(ranges="whole"), [None, "bytes=100000-", None])

    def test_from_another_place(self):
        self.assertEqual(self.cut_with(ranges="wrong"), [None, "bytes=100000-", None])

    def test_a_range_that_ends_too_early(self):
        """In chunks, with no length of its own; nobody says what the file should be."""
        ref = self.server.url(PATH)
        self.server.put(PATH, DATA, cut=100000)
        self.refused(FAILED, ref, env={"HOLOS_FETCH_RETRIES": "0"})
        self.server.put(PATH, DATA, chunked=1024)
        self.refused(VERIFY, ref, "ended after 101024 bytes, and 262144 were promised")
        self.server.put(PATH, DATA)
        self.pulls(ref)

    def test_a_range_that_does_not_end(self):
        """It goes on in chunks after what it promised."""
        ref = self.server.url(PATH)
        self.server.put(PATH, DATA, cut=100000)
        self.refused(FAILED, ref, env={"HOLOS_FETCH_RETRIES": "0"})
        self.server.put(PATH, DATA, chunked=1 << 30, beyond=8 << 20)
        self.refused(VERIFY, ref, "goes on after the 262144 bytes that were promised")
        self.server.put(PATH, DATA)
        self.pulls(ref)

    def test_416(self):
        self.assertEqual(self.cut_with(ranges="416"), [None, "bytes=100000-", None])

    def test_no_validator_no_range(self):
        ref = self.put_url(DATA, cut=100000, times=1, validators="none")
        self.pulls(ref)
        self.assertEqual(self.server.ranges(PATH), [None, None])

    def test_last_modified_alone(self):
        ref = self.put_url(DATA, cut=100000, times=1, validators="modified")
        self.pulls(ref)
        self.assertEqual(self.server.ranges(PATH), [None, "bytes=100000-"])

    def test_changed_between_two_parts(self):
        new = disk(seed=2)
        path = self.put_debian(DATA)
        self.server.put(path, DATA, cut=100000, swap=new, times=1)
        self.server.put("/bookworm/latest/SHA512SUMS", sha512(new) + "  debian-12-generic-amd64.qcow2")
        self.ok("pull", "debian")
        self.assert_base(new)
        self.assertEqual(self.bases(), [self.base(new)])

    def test_changed_and_the_server_does_not_care(self):
        """It ignores If-Range: the pieces do not fit, and it is tried in one piece."""
        new = disk(seed=2)
        self.server.put(PATH, DATA, cut=100000, swap=new, times=1, validators="fixed")
        self.ok("pull", self.server.url(PATH) + "#sha256=" + sha256(new))
        self.assert_base(new)
        self.assertEqual(self.server.ranges(PATH), [None, "bytes=100000-", None])


class NoServer(FaultTest):
    def test_speaks_no_http(self):
        self.server.put(PATH, DATA, bare=True)
        self.refused(FAILED, self.server.url(PATH), "speaks no HTTP")


class Redirects(FaultTest):
    def test_followed(self):
        self.put_url(DATA, "/there.qcow2")
        self.server.put(PATH, b"", redirect=self.server.url("/there.qcow2"))
        self.pulls(self.server.url(PATH) + "#sha256=" + sha256(DATA))

    def test_loop(self):
        self.refused_then_pulls(HOST, "redirected more than", redirect=PATH)

    def test_to_http(self):
        self.refused_then_pulls(HOST, "redirected to what is not https",
                                redirect="http://localhost:1/disk.qcow2")

    def test_to_a_file(self):
        self.refused_then_pulls(HOST, "redirected to what is not https",
                                redirect="file:///etc/passwd")

    def test_http_is_no_source(self):
        result = self.holos("pull", "http://localhost/disk.qcow2")
        self.assert_failed(result, INVALID, "https")


class Documents(FaultTest):
    def test_endless_checksum_file(self):
        self.put_debian(DATA)
        self.server.put("/bookworm/latest/SHA512SUMS", b"x" * 65536, endless=True)
        self.refused(VERIFY, "debian", r"SHA512SUMS: larger than 4 MiB")

    def test_checksum_file_of_10_gb(self):
        self.put_debian(DATA)
        self.server.put("/bookworm/latest/SHA512SUMS", b"x", length=10 << 30)
        self.refused(VERIFY, "debian", r"SHA512SUMS: larger than 4 MiB")

    def test_checksum_of_something_else(self):
        self.put_debian(DATA)
        self.server.put("/bookworm/latest/SHA512SUMS", f"{sha512(b'')}  a\n{sha512(b'')}  b\n")
        self.refused(VERIFY, "debian", "has no checksum of debian-12-generic-amd64.qcow2")

    def test_no_checksum_file(self):
        self.put_debian(DATA)
        del self.server.files["/bookworm/latest/SHA512SUMS"]
        self.refused(FAILED, "debian", [r"SHA512SUMS: status 404", "holos images --refresh"])
        self.put_debian(DATA)
        self.pulls("debian")


class Disks(FaultTest):
    def not_a_disk(self, data, match, status=VERIFY):
        ref = self.put_url(data)
        self.refused(status, ref, match)
        self.assertEqual(self.partial(), [])
        self.assertEqual([f for f in os.listdir(os.path.join(self.state, "images", ".fetch"))
                          if not f.endswith(".lock")], [])

    def test_endless_on_a_small_disk(self):
        """A body of no stated length leaves room for others, too."""
        self.mount_state("size=40m")
        self.server.put(PATH, DATA, endless=True)
        self.refused(HOST, self.server.url(PATH), "of disk space")
        free = os.statvfs(self.state)
        self.assertGreater(free.f_bavail * free.f_frsize, 8 << 20)

    def test_html(self):
        page = b"\n  <!DOCTYPE html>\n<html>Log in to the hotspot</html>" + b" " * 9000
        self.not_a_disk(page, ["is a web page, and no disk image", "hotspot"])

    def test_html_in_place_of_a_checked_image(self):
        self.put_debian(DATA)
        self.server.put("/bookworm/latest/debian-12-generic-amd64.qcow2", "<html>gone</html>")
        self.refused(VERIFY, "debian", "is a web page")

    def test_backing_file(self):
        self.not_a_disk(disk(backing=512, backing_len=11), "is an overlay on another file")

    def test_data_file(self):
        self.not_a_disk(disk(incompatible=4), "keeps its data in another file")

    def test_absurd_size(self):
        self.not_a_disk(disk(virtual=1 << 60, l1=1 << 20), "claims a size of")

    def test_tables_outside(self):
        self.not_a_disk(disk(l1_at=1 << 40), "outside of the file")
        self.not_a_disk(disk(virtual=1 << 45, l1=1 << 16), "outside of the file")

    def test_encrypted(self):
        self.not_a_disk(disk(crypt=1), "encrypted")

    def test_dirty(self):
        self.not_a_disk(disk(incompatible=1), "dirty or corrupt")

    def test_version(self):
        self.not_a_disk(disk(version=4), "newer than 3")

    def test_truncated_head(self):
        self.not_a_disk(DATA[:60], "damaged")

    def test_empty(self):
        self.not_a_disk(b"", "is empty")

    def test_raw(self):
        raw = bytes(1024) + DATA[1024:]
        self.ok("pull", self.put_url(raw))
        self.assert_base(raw, "raw")
        self.not_raw(raw[:-1])

    def not_raw(self, data):
        self.fails(VERIFY, "pull", self.put_url(data, "/i/odd.img"), match="multiple of 512")

    def test_raw_where_qcow2_is_due(self):
        self.put_debian(bytes(1024))
        self.refused(VERIFY, "debian", "is no qcow2 image")


class Expired(FaultTest):
    certificate = "expired"

    def test_certificate(self):
        ref = self.put_url(DATA)
        self.refused(HOST, ref, ["certificate is not valid", "expired", "clock"])

    def test_unknown_authority(self):
        with HttpsServer(self.certificates) as other:
            other.put(PATH, DATA)
            ref = other.url(PATH) + "#sha256=" + sha256(DATA)
            self.refused(HOST, ref, "certificate is not valid", env={"SSL_CERT_FILE": None})
            self.pulls(ref)


class Ways(FaultTest):
    def test_proxy(self):
        proxy = ConnectProxy()
        self.addCleanup(proxy.close)
        env = {"https_proxy": f"http://127.0.0.1:{proxy.port}"}
        self.ok("pull", self.put_url(DATA), env=env)
        self.assertEqual(proxy.asked, [f"localhost:{self.server.port}"])
        self.ok("pull", self.put_url(DATA, "/i/two.qcow2"), env=dict(env, no_proxy="localhost"))
        self.assertEqual(len(proxy.asked), 1)

    def test_mirrors_in_turn(self):
        """The first is down, the second has rubbish, the third has it."""
        self.put_debian(DATA)
        self.server.put("/bad/bookworm/latest/debian-12-generic-amd64.qcow2", disk(seed=9))
        mirrors = f"https://localhost:1/x {self.server.url('/bad')},{self.server.url('/')}"
        self.ok("pull", "debian", env={"HOLOS_MIRROR_DEBIAN": mirrors})
        self.assert_base(DATA)

    def test_mirror_must_be_https(self):
        self.fails(INVALID, "pull", "debian", match="HOLOS_MIRROR_DEBIAN.*no https URL",
                   env={"HOLOS_MIRROR_DEBIAN": "http://localhost/"})

    def test_passwords_are_in_no_url(self):
        """They would be in records, lock files, messages and the table."""
        ref = self.put_url(DATA).replace("https://", "https://bob:hunter2@")
        self.compose(f"name: demo\nservices: {{web: {{image: '{ref}'}}}}\n")
        for args in (["pull", ref], ["pull"], ["validate"], ["up"], ["up", "--locked"],
                     ["up", "--dry-run"], ["up", "--dry-run", "--json"],
                     ["run", ref], ["verify", ref], ["images", "rm", ref]):
            with self.subTest(args):
                result = self.holos(*args)
                self.assertNotEqual(result.status, OK)
                self.assertNotIn("hunter2", result.out + result.err)
        result = self.refused(INVALID, ref, [r"https://\*\*\*@localhost", r"~/\.netrc"])
        self.refused(INVALID, "debian", "HOLOS_MIRROR_DEBIAN.*password",
                     env={"HOLOS_MIRROR_DEBIAN": "https://bob:hunter2@localhost/"})
        for path, _, files in os.walk(self.state):
            for name in files:
                with open(os.path.join(path, name), "rb") as f:
                    self.assertNotIn(b"hunter2", f.read(), name)
        self.assertEqual(self.server.requests, [])

    def test_passwords_of_netrc(self):
        ref = self.put_url(DATA, password="bob:hunter2")
        self.refused(HOST, ref, r"401.*~/\.netrc")
        with open(os.path.join(self.home, ".netrc"), "w") as f:
            f.write("machine localhost login bob password hunter2\n")
        self.pulls(ref)

    def test_no_digest_warns(self):
        self.server.put(PATH, DATA)
        result = self.ok("pull", self.server.url(PATH))
        self.assertRegex(result.err, f"warning: .*#sha256={sha256(DATA)}")


class Interrupted(FaultTest):
    def slow(self, data=DATA):
        ref = self.put_url(data, stall=131072, times=1)
        run = self.start("pull", ref, env={"HOLOS_FETCH_TIMEOUT": "30s"})
        # A multiple of what is written at once.
        self.wait_for(lambda: any(os.path.getsize(p) == 131072 for p in self.partial()),
                      "the download has begun")
        return ref, run

    def test_ctrl_c_keeps_what_came(self):
        ref, run = self.slow()
        run.interrupt()
        self.assert_failed(run.finish(), INTERRUPTED, "goes on from there")
        self.assertEqual(self.bases(), [])
        self.pulls(ref)
        self.assertEqual(self.server.ranges(PATH), [None, "bytes=131072-"])

    def test_killed(self):
        ref, run = self.slow()
        run.signal(signal.SIGKILL)
        run.finish()
        self.wait_for(lambda: not self.processes_named("holos-worker"), "the worker ends too")
        self.assertEqual(self.bases(), [])
        self.pulls(ref)
        self.assertEqual(self.server.ranges(PATH), [None, "bytes=131072-"])

    def test_two_share_one_download(self):
        ref = self.put_url(DATA, delay=0.3, times=1)
        first = self.start("pull", ref)
        self.wait_for(self.partial, "the download has begun")
        second = self.start("pull", ref)
        self.assertEqual(first.finish().status, OK)
        result = second.finish()
        self.assertEqual(result.status, OK, f"{result}")
        self.assertIn("another holos downloads it", result.err)
        self.assertEqual(self.server.count(PATH), 1)
        self.assert_base(DATA)

    def test_the_second_takes_over(self):
        """The first one dies: the second goes on where it was."""
        ref, first = self.slow()
        second = self.start("pull", ref)
        self.wait_for(lambda: "another holos" in second.output()[1], "the second waits")
        first.signal(signal.SIGKILL)
        first.finish()
        result = second.finish()
        self.assertEqual(result.status, OK, f"{result}")
        self.assertEqual(self.server.ranges(PATH), [None, "bytes=131072-"])

    def test_waiting_is_interrupted(self):
        ref, first = self.slow()
        second = self.start("pull", ref)
        self.wait_for(lambda: "another holos" in second.output()[1], "the second waits")
        second.interrupt()
        self.assert_failed(second.finish(), INTERRUPTED)
        first.interrupt()
        first.finish()


if __name__ == "__main__":
    unittest.main()
