// Send one message with nodemailer, one recipient in blind copy, the others in To; prints the server's answer.
//   node send.mjs PORT FROM SUBJECT BCC TO…
import nodemailer from 'nodemailer';

const [port, from, subject, bcc, ...to] = process.argv.slice(2);
const transport = nodemailer.createTransport({ host: '127.0.0.1', port: Number(port), secure: false, ignoreTLS: true });
try {
  const sent = await transport.sendMail({ from, to, bcc, subject, text: 'Grüße\n.\n..\nend', html: '<p>Grüße</p>' });
  console.log(sent.response);
} catch (error) {
  console.log(error.response ?? String(error));
  process.exitCode = 1;
}
